"""The Gradio page: upload a radiograph, read the estimate, save a case. Only `app.py` imports it: Gradio is slow."""
