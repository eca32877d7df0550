/* Printing of cJSON objects; see json.h. */
#include "common/json.h"

#include <stdio.h>

int json_print(cJSON *object)
{
    char *text = object ? cJSON_PrintUnformatted(object) : NULL;
    if (text) puts(text);
    cJSON_free(text);
    cJSON_Delete(object);
    return text ? EXIT_DONE : tool_fail(EXIT_FAILED, "out of memory while printing JSON");
}

void json_add_extents(cJSON *object, const char *name, const int64_t *values, int count)
{
    cJSON *array = cJSON_AddArrayToObject(object, name);
    for (int i = 0; i < count; i++) {
        cJSON_AddItemToArray(array, cJSON_CreateNumber((double)values[i]));
    }
}
