# Room: src/fed
