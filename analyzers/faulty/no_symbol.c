/* A shared library that is no plugin. */
int vultus_not_a_plugin(void);
int vultus_not_a_plugin(void) { return 0; }
