# Room: src/nn
