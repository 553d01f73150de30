"""The published networks that films are prepared and read with: which there are, where they lie, how they come here."""
