const BUILD = "{{build}}"; const MODULES = ["{{modules}}"];
