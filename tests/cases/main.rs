//! The cases, one behaviour a file. Run them with `./run-test.sh`, which builds what they start.
