"""Where frames come from: DICOM receiver, watched folder, camera and video file, kept apart from the keys."""
