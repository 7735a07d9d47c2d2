//! Nothing: the tests are in the folders beside this file, each folder one test binary.
