"""The batch tab of the page: many radiographs in, one table out."""
