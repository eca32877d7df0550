/* Device selectors: see selector.h. A selector is checked whole before it is matched, so that a mistake in it
 * is reported on every machine. */
#include "opencl/selector.h"

#include "base/error.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { MAX_PARTS = 3, ANY = -1 };

/* A part of the selector's text, blanks around it removed. */
typedef struct span {
    const char *start;
    size_t length;
} span;

typedef struct preference {
    int64_t number;           /* ANY, or the place in the list */
    int64_t platform, device; /* ANY, or exactly these indices */
    span words[2];
    int word_count;
    int64_t skip; /* matches to pass over */
} preference;

/* A selector and what a message calls it. */
typedef struct source {
    const char *name, *text;
} source;

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static span span_trim(const char *start, size_t length)
{
    while (length > 0 && is_blank(*start)) {
        start++;
        length--;
    }
    while (length > 0 && is_blank(start[length - 1]))
        length--;
    return (span){start, length};
}

/* The text up to the next `separator`; *rest moves behind it, or becomes NULL at the end. */
static span span_split(span *rest, char separator)
{
    const char *end = memchr(rest->start, separator, rest->length);
    size_t length = end != NULL ? (size_t)(end - rest->start) : rest->length;
    span first = span_trim(rest->start, length);
    if (end != NULL)
        *rest = (span){end + 1, rest->length - length - 1};
    else
        *rest = (span){NULL, 0};
    return first;
}

/* Numbers past any index saturate: they match nothing, as they should. */
static bool span_number(span s, int64_t *value)
{
    int64_t v = 0;
    for (size_t i = 0; i < s.length; i++) {
        if (s.start[i] < '0' || s.start[i] > '9') return false;
        if (v < INT32_MAX) v = v * 10 + (s.start[i] - '0');
    }
    *value = v;
    return s.length > 0;
}

/* Bytes past ASCII are taken for parts of letters. */
static bool has_letter(span s)
{
    for (size_t i = 0; i < s.length; i++) {
        char c = s.start[i];
        if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (unsigned char)c > 127) return true;
    }
    return false;
}

static bool equals(const char *text, span s)
{
    return strlen(text) == s.length && text_holds(text, s.start, s.length);
}

static cl_device_type type_of_word(span s)
{
    if (equals("gpu", s)) return CL_DEVICE_TYPE_GPU;
    if (equals("cpu", s)) return CL_DEVICE_TYPE_CPU;
    if (equals("accelerator", s)) return CL_DEVICE_TYPE_ACCELERATOR;
    return 0;
}

static const char *type_name(cl_device_type type)
{
    if (type & CL_DEVICE_TYPE_GPU) return "gpu";
    if (type & CL_DEVICE_TYPE_CPU) return "cpu";
    if (type & CL_DEVICE_TYPE_ACCELERATOR) return "accelerator";
    return "custom";
}

static bool word_matches(span word, const clconv_device_info *d)
{
    cl_device_type type = type_of_word(word);
    if (type != 0) return (d->type & type) != 0;
    const char *const names[] = {d->platform_name, d->vendor, d->name};
    for (int i = 0; i < 3; i++)
        if (text_holds(names[i], word.start, word.length)) return true;
    return false;
}

static bool preference_matches(const preference *p, const clconv_device_info *d, int64_t number)
{
    if (p->number != ANY) return number == p->number;
    if (p->platform != ANY) return d->platform_index == p->platform && d->device_index == p->device;
    for (int i = 0; i < p->word_count; i++)
        if (!word_matches(p->words[i], d)) return false;
    return true;
}

static bool preference_find(const preference *p, const clconv_device_info *devices, size_t count,
                            size_t *chosen)
{
    int64_t skip = p->skip;
    for (size_t i = 0; i < count; i++) {
        if (!preference_matches(p, &devices[i], (int64_t)i) || skip-- > 0) continue;
        *chosen = i;
        return true;
    }
    return false;
}

/* The selector as a message shows it: on one line, and not too long. */
enum { SHOWN = 160 };

static void show_selector(const char *selector, char shown[SHOWN])
{
    size_t length = strlen(selector);
    snprintf(shown, SHOWN, "%.*s%s", SHOWN - 4, selector, length > SHOWN - 4 ? "..." : "");
    for (char *c = shown; *c != '\0'; c++)
        if ((unsigned char)*c < ' ') *c = '?';
}

static clconv_status refuse(source from, const char *rule, clconv_error *err)
{
    char shown[SHOWN];
    show_selector(from.text, shown);
    return error_set(err, CLCONV_INVALID_ARGUMENT,
                     "%s is \"%s\", which %s; it must be a comma-separated list of N, P:D, gpu, cpu, "
                     "accelerator, a part of a name, two words joined by ':', or words and :N",
                     from.name, shown, rule);
}

static clconv_status split_parts(source from, span text, span parts[MAX_PARTS], int *count, clconv_error *err)
{
    *count = 0;
    while (text.start != NULL) {
        if (*count == MAX_PARTS) return refuse(from, "has a preference of more than three parts", err);
        parts[*count] = span_split(&text, ':');
        if (parts[*count].length == 0) return refuse(from, "has an empty part", err);
        ++*count;
    }
    return CLCONV_SUCCESS;
}

/* A, A:B, A:N or A:B:N. */
static clconv_status words_parse(source from, const span *parts, int count, preference *p, clconv_error *err)
{
    p->word_count = count > 1 && span_number(parts[count - 1], &p->skip) ? count - 1 : count;
    if (p->word_count == MAX_PARTS) return refuse(from, "has a third part that is not a number", err);
    for (int i = 0; i < p->word_count; i++) {
        if (!has_letter(parts[i]))
            return refuse(from, "has a part without a letter in the place of a type or a name", err);
        p->words[i] = parts[i];
    }
    return CLCONV_SUCCESS;
}

static clconv_status preference_parse(source from, span text, preference *p, clconv_error *err)
{
    span parts[MAX_PARTS];
    int count = 0;
    clconv_status status = split_parts(from, text, parts, &count, err);
    if (status != CLCONV_SUCCESS) return status;
    *p = (preference){.number = ANY, .platform = ANY, .device = ANY};
    if (count == 1 && span_number(parts[0], &p->number)) return CLCONV_SUCCESS;
    int64_t platform, device;
    if (count == 2 && span_number(parts[0], &platform) && span_number(parts[1], &device)) {
        p->platform = platform;
        p->device = device;
        return CLCONV_SUCCESS;
    }
    return words_parse(from, parts, count, p, err);
}

static bool message_append(char *message, size_t size, const char *text)
{
    size_t used = strlen(message);
    if (used + strlen(text) >= size) return false;
    memcpy(message + used, text, strlen(text) + 1);
    return true;
}

/* "0 or 0:0 (cpu, NAME, PLATFORM)" of each device, as many as fit. */
static void list_devices(const clconv_device_info *devices, size_t count, char *list, size_t size)
{
    enum { MORE = 32 };
    list[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        const clconv_device_info *d = &devices[i];
        char entry[512];
        snprintf(entry, sizeof entry, "%s%zu or %s (%s, %s, %s)", i > 0 ? ", " : "", i, d->selector,
                 type_name(d->type), d->name, d->platform_name);
        if (message_append(list, size - MORE, entry)) continue;
        snprintf(entry, sizeof entry, " and %zu more", count - i);
        message_append(list, size, entry);
        return;
    }
}

static clconv_status no_match(source from, const clconv_device_info *devices, size_t count, clconv_error *err)
{
    if (count == 0)
        return error_set(err, CLCONV_NO_DEVICE, "there is no OpenCL device: no platform, or none with one");
    char list[CLCONV_MESSAGE_SIZE - 300];
    list_devices(devices, count, list, sizeof list);
    const char *are = count == 1 ? "is" : "are";
    if (from.text == NULL)
        return error_set(err, CLCONV_NO_DEVICE,
                         "no OpenCL device has a compiler, and none is selected; there %s %zu: %s", are,
                         count, list);
    char shown[SHOWN];
    show_selector(from.text, shown);
    return error_set(err, CLCONV_NO_DEVICE,
                     "%s is \"%s\", which matches no OpenCL device; there %s %zu, numbered from 0: %s",
                     from.name, shown, are, count, list);
}

static int type_rank(const clconv_device_info *d)
{
    if (d->type & CL_DEVICE_TYPE_GPU) return 3;
    if (d->type & CL_DEVICE_TYPE_CPU) return 2;
    return d->type & CL_DEVICE_TYPE_ACCELERATOR ? 1 : 0;
}

static bool is_preferred(const clconv_device_info *a, const clconv_device_info *b)
{
    if (type_rank(a) != type_rank(b)) return type_rank(a) > type_rank(b);
    return (double)a->compute_units * (double)a->clock_mhz > (double)b->compute_units * (double)b->clock_mhz;
}

static bool choose_default(const clconv_device_info *devices, size_t count, size_t *chosen)
{
    size_t best = count;
    for (size_t i = 0; i < count; i++) {
        if (!devices[i].has_compiler || type_rank(&devices[i]) == 0) continue;
        if (best == count || is_preferred(&devices[i], &devices[best])) best = i;
    }
    if (best == count) return false;
    *chosen = best;
    return true;
}

clconv_status selector_choose(const char *name, const char *selector, const clconv_device_info *devices,
                              size_t count, size_t *chosen, clconv_error *err)
{
    source from = {name, selector};
    if (selector == NULL || selector[0] == '\0') {
        from.text = NULL;
        return choose_default(devices, count, chosen) ? CLCONV_SUCCESS : no_match(from, devices, count, err);
    }
    size_t found = count;
    span rest = {selector, strlen(selector)};
    while (rest.start != NULL) {
        preference p;
        clconv_status status = preference_parse(from, span_split(&rest, ','), &p, err);
        if (status != CLCONV_SUCCESS) return status;
        if (found == count) preference_find(&p, devices, count, &found);
    }
    if (found == count) return no_match(from, devices, count, err);
    *chosen = found;
    return CLCONV_SUCCESS;
}
