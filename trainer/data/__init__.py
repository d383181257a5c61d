"""What goes in: an index or folders, images and DICOM, splits, what is wrong with them."""
