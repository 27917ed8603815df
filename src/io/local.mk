# Room: src/io
