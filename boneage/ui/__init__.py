"""The page: upload a radiograph, read the estimate, flag it. Imports gradio, so nothing else may import it early."""
