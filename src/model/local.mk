# Room: src/model
