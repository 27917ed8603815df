# Data files that are installed; cli_share() finds them.
modelsdir = $(pkgdatadir)/models
dist_models_DATA = \
	share/mistutils/models/yolov5n.yaml \
	share/mistutils/models/yolov5s.yaml \
	share/mistutils/models/yolov5m.yaml \
	share/mistutils/models/yolov5l.yaml \
	share/mistutils/models/yolov5x.yaml
