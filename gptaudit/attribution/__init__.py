"""Attribution of predictions to tokens."""
