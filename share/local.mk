# Data files that are installed; cli_share() finds them.
modelsdir = $(pkgdatadir)/models
dist_models_DATA = \
	share/mistutils/models/yolov5n.yaml \
	share/mistutils/models/yolov5s.yaml \
	share/mistutils/models/yolov5m.yaml \
	share/mistutils/models/yolov5l.yaml \
	share/mistutils/models/yolov5x.yaml
hypdir = $(pkgdatadir)/hyp
dist_hyp_DATA = share/mistutils/hyp/scratch-low.yaml share/mistutils/hyp/scratch-med.yaml \
	share/mistutils/hyp/mist.yaml
dist_pkgdata_DATA = share/mistutils/sources.conf share/mistutils/coco.names
# Jobs and scripts to copy and change.
examplesdir = $(pkgdatadir)/examples
dist_examples_DATA = share/mistutils/examples/nightly.crontab share/mistutils/examples/job.crontab \
	share/mistutils/examples/fedavg.yaml share/mistutils/examples/mistnet.yaml \
	share/mistutils/examples/reference.yaml share/mistutils/examples/small.yaml
dist_examples_SCRIPTS = share/mistutils/examples/nightly-cloud.sh share/mistutils/examples/nightly-edge.sh
# The grid of experiments: a makefile and what it reads with.
experimentsdir = $(pkgdatadir)/experiments
dist_experiments_DATA = \
	share/mistutils/experiments/Makefile \
	share/mistutils/experiments/README \
	share/mistutils/experiments/availability.txt \
	share/mistutils/experiments/frontier.awk \
	share/mistutils/experiments/json.awk \
	share/mistutils/experiments/markdown.awk \
	share/mistutils/experiments/plots.gp \
	share/mistutils/experiments/summary.awk
dist_experiments_SCRIPTS = share/mistutils/experiments/bytes.sh share/mistutils/experiments/row.sh \
	share/mistutils/experiments/simulate.sh
# What ./quickstart runs.
EXTRA_DIST += share/mistutils/demo.sh
