/* Expands kernel sources: see sources.h. Includes are resolved here, because OpenCL has no portable way to
 * give a compiler headers that are not files. */
#include "opencl/sources.h"

#include "base/environment.h"
#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILES = 32, MAX_NAME = 128 };

typedef struct expansion {
    const char *folder; /* CLCONV_KERNEL_DIR, or NULL for the embedded files */
    char seen[MAX_FILES][MAX_NAME];
    int seen_count;
    text *out;
} expansion;

static clconv_status read_embedded(const char *name, text *content, clconv_error *err)
{
    for (const embedded_source *s = embedded_sources; s->name != NULL; s++) {
        if (strcmp(s->name, name) != 0) continue;
        text_append_bytes(content, s->bytes, s->size);
        return CLCONV_SUCCESS;
    }
    return error_set(err, CLCONV_INTERNAL, "no kernel source is named cl/%s", name);
}

static clconv_status read_from_folder(const char *folder, const char *name, text *content, clconv_error *err)
{
    clconv_status status = CLCONV_SUCCESS;
    text path = {0};
    text_append(&path, "%s/%s", folder, name);
    FILE *file = path.failed ? NULL : fopen(path.data, "rb");
    if (file == NULL) {
        status = error_set(err, CLCONV_FILE_FAILED, "CLCONV_KERNEL_DIR is %s; it has no readable file %s",
                           folder, name);
        goto done;
    }
    char block[4096];
    for (size_t got; (got = fread(block, 1, sizeof block, file)) > 0;)
        text_append_bytes(content, block, got);
    if (ferror(file)) status = error_set(err, CLCONV_FILE_FAILED, "cannot read %s/%s", folder, name);
done:
    if (file != NULL) fclose(file);
    text_release(&path);
    return status;
}

/* The name in a line `#include "name"`; false if the line is none. */
static bool parse_include(const char *line, size_t length, char name[MAX_NAME])
{
    static const char start[] = "#include \"";
    size_t prefix = sizeof start - 1;
    if (length <= prefix || strncmp(line, start, prefix) != 0) return false;
    const char *end = memchr(line + prefix, '"', length - prefix);
    if (end == NULL || end - line - (ptrdiff_t)prefix >= MAX_NAME) return false;
    snprintf(name, MAX_NAME, "%.*s", (int)(end - line - (ptrdiff_t)prefix), line + prefix);
    return true;
}

static bool is_seen(const expansion *e, const char *name)
{
    for (int i = 0; i < e->seen_count; i++)
        if (strcmp(e->seen[i], name) == 0) return true;
    return false;
}

/* Recursion is bounded: a file is entered once, and there are at most MAX_FILES.
 * NOLINTNEXTLINE(misc-no-recursion) */
static clconv_status expand_file(expansion *e, const char *name, clconv_error *err)
{
    if (is_seen(e, name)) return CLCONV_SUCCESS;
    if (e->seen_count == MAX_FILES)
        return error_set(err, CLCONV_INTERNAL, "cl/%s is beyond the files of an expansion; the most is %d",
                         name, MAX_FILES);
    snprintf(e->seen[e->seen_count++], MAX_NAME, "%s", name);
    text content = {0};
    clconv_status status = e->folder != NULL ? read_from_folder(e->folder, name, &content, err)
                                             : read_embedded(name, &content, err);
    text_append(e->out, "#line 1 \"cl/%s\"\n", name);
    const char *line = content.data;
    for (int number = 1; status == CLCONV_SUCCESS && line != NULL && *line != '\0'; number++) {
        const char *end = strchr(line, '\n');
        size_t length = end != NULL ? (size_t)(end - line) : strlen(line);
        char included[MAX_NAME];
        if (parse_include(line, length, included)) {
            status = expand_file(e, included, err);
            text_append(e->out, "#line %d \"cl/%s\"\n", number + 1, name);
        } else {
            text_append_bytes(e->out, line, length);
            text_append_bytes(e->out, "\n", 1);
        }
        line = end != NULL ? end + 1 : NULL;
    }
    if (status == CLCONV_SUCCESS && (content.failed || e->out->failed))
        status = error_set(err, CLCONV_OUT_OF_MEMORY, "no memory for the source of cl/%s", name);
    text_release(&content);
    return status;
}

clconv_status source_expand(const char *name, text *out, clconv_error *err)
{
    expansion e = {.folder = environment_get("CLCONV_KERNEL_DIR"), .out = out};
    return expand_file(&e, name, err);
}
