# The programs: one file each. A program is added by one line.
check_PROGRAMS += tools/template
tools_template_SOURCES = tools/template.c
bin_PROGRAMS += tools/coco-fetch
tools_coco_fetch_SOURCES = tools/coco-fetch.c

bin_PROGRAMS += tools/mist-model
tools_mist_model_SOURCES = tools/mist-model.c
bin_PROGRAMS += tools/mist-extract
tools_mist_extract_SOURCES = tools/mist-extract.c
bin_PROGRAMS += tools/coco-synth
tools_coco_synth_SOURCES = tools/coco-synth.c
bin_PROGRAMS += tools/mist-aggregate
tools_mist_aggregate_SOURCES = tools/mist-aggregate.c
bin_PROGRAMS += tools/mist-train
tools_mist_train_SOURCES = tools/mist-train.c
bin_PROGRAMS += tools/coco-partition
tools_coco_partition_SOURCES = tools/coco-partition.c
bin_PROGRAMS += tools/mist-job
tools_mist_job_SOURCES = tools/mist-job.c
