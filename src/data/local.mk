# Room: src/data
