/* Reading and writing parameter values: see parameters.h. */
#include "parameters/parameters.h"

#include "base/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int find(const parameter_range *ranges, const char *name, size_t length)
{
    for (int i = 0; ranges[i].name != NULL; i++)
        if (strlen(ranges[i].name) == length && strncmp(ranges[i].name, name, length) == 0) return i;
    return -1;
}

static bool is_legal(const parameter_range *range, int64_t value)
{
    bool in_range = value >= range->minimum && value <= range->maximum;
    return in_range && !(range->power_of_two && (value & (value - 1)) != 0);
}

/* Reads one "name=value" at *cursor and moves past it. */
static clconv_status override_one(const parameter_range *ranges, const char **cursor, parameter_set *set,
                                  unsigned *seen, clconv_error *err)
{
    const char *name = *cursor;
    size_t length = strcspn(name, "=,");
    int index = find(ranges, name, length);
    if (index < 0)
        return error_set(err, CLCONV_INVALID_ARGUMENT, "parameters: this algorithm has no parameter '%.*s'",
                         (int)length, name);
    if (*seen & 1u << index)
        return error_set(err, CLCONV_INVALID_ARGUMENT, "parameters: '%s' is given twice", ranges[index].name);
    char *end = NULL;
    errno = 0;
    int64_t value = name[length] == '=' ? strtoll(name + length + 1, &end, 10) : 0;
    if (end == NULL || end == name + length + 1 || (*end != ',' && *end != '\0'))
        return error_set(err, CLCONV_INVALID_ARGUMENT, "parameters: '%s' needs an integer value",
                         ranges[index].name);
    if (errno != 0 || !is_legal(&ranges[index], value))
        return error_set(err, CLCONV_INVALID_ARGUMENT, "parameters: %s must be %s%lld to %lld",
                         ranges[index].name, ranges[index].power_of_two ? "a power of two from " : "",
                         (long long)ranges[index].minimum, (long long)ranges[index].maximum);
    set->values[index] = value;
    *seen |= 1u << index;
    *cursor = *end == ',' ? end + 1 : end;
    return CLCONV_SUCCESS;
}

clconv_status parameters_override(const parameter_range *ranges, const char *text, parameter_set *set,
                                  clconv_error *err)
{
    parameter_set changed = *set;
    unsigned seen = 0;
    for (const char *cursor = text; cursor != NULL && *cursor != '\0';) {
        clconv_status status = override_one(ranges, &cursor, &changed, &seen, err);
        if (status != CLCONV_SUCCESS) return status;
    }
    *set = changed;
    return CLCONV_SUCCESS;
}

void parameters_format(const parameter_range *ranges, const parameter_set *set, text *out)
{
    for (int i = 0; ranges[i].name != NULL; i++)
        text_append(out, "%s%s=%lld", i > 0 ? "," : "", ranges[i].name, (long long)set->values[i]);
}
