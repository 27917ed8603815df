# Room: src/eval
