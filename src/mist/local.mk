# Room: src/mist
