"""Models that can only be asked: functions of images, ONNX files, and answers stored before."""
