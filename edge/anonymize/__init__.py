"""The only room that may see who the patient is: RawFrame in, CleanFrame or a reason out."""
