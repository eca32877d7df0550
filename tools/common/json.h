/* JSON output: one object a line on standard output. */
#ifndef CLCONV_TOOLS_COMMON_JSON_H
#define CLCONV_TOOLS_COMMON_JSON_H

#include "common/tool.h"

#include <cjson/cJSON.h>

/* Prints `object` and deletes it; NULL, which is memory run out, is reported. */
int json_print(cJSON *object);

void json_add_extents(cJSON *object, const char *name, const int64_t *values, int count);

#endif
