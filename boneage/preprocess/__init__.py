"""From a radiograph of any origin to the prepared image that every network sees."""
