/* A shared library that is not a plugin. */
int vultus_not_a_plugin(void);
int vultus_not_a_plugin(void) { return 0; }
