"""What is wrong with a file as a whole."""


class FileError(Exception):
    """The file can't be read; the text is for the person who chose it."""
