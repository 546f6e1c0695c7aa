//! Opens, validates and calls plugins: the only user of libloading.
