/* Reading bundles and manifests: see bundle.h. */
#include "opencl/bundle.h"

#include "base/checksum.h"
#include "base/whole_file.h"
#include "opencl/kernel_line.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bitstreams of FPGAs have some hundred megabytes. */
static const int64_t most_bytes = INT64_C(4) << 30;

struct bundle {
    char *file;  /* of a bundle, else NULL */
    char *lines; /* the manifest, each line terminated */
    text device; /* the lines of its device */
    bundled_program *programs;
    size_t count, room;
};

/* What is read. */
typedef struct reading {
    bundle *b;
    byte_span content; /* the binaries; of a manifest to be packed none */
    size_t taken;      /* of the content */
    bool is_packed;
    int number; /* of the line */
    char *why;
} reading;

static bool refuse(reading *r, const char *what)
{
    snprintf(r->why, BUNDLE_WHY, "line %d of its manifest %s", r->number, what);
    return false;
}

static bool add_program(reading *r, const char *source)
{
    bundle *b = r->b;
    if (b->count == b->room) {
        size_t room = 2 * b->room + 8;
        bundled_program *grown = realloc(b->programs, room * sizeof *grown);
        if (grown == NULL) return refuse(r, "finds no memory");
        b->programs = grown;
        b->room = room;
    }
    b->programs[b->count++] = (bundled_program){.source = source, .hash = "", .options = ""};
    return true;
}

static bool add_kernel(reading *r, bundled_program *p, const char *value)
{
    kernel_line k;
    if (!kernel_line_parse(value, &k)) return refuse(r, "is not: kernel NAME X Y Z, or with a second name");
    text_append(&p->kernels, "%s\n", value);
    return !p->kernels.failed || refuse(r, "finds no memory");
}

/* The binary is that of an earlier program with the same size and checksum, or the next of the content. */
static bool take_binary(reading *r, bundled_program *p, const char *value)
{
    char sum[CHECKSUM_TEXT], *end = NULL;
    if (!r->is_packed) return refuse(r, "names a binary; only a bundle has it");
    errno = 0;
    unsigned long long size = strtoull(value, &end, 10);
    if (*value < '0' || *value > '9' || errno != 0 || *end != ' ')
        return refuse(r, "is not: binary SIZE CHECKSUM");
    for (const bundled_program *q = r->b->programs; q < p; q++)
        if (q->sum != NULL && strcmp(q->sum, value) == 0) p->binary = q->binary;
    p->sum = value;
    if (p->binary.bytes != NULL) return true;
    if (size > r->content.size - r->taken) return refuse(r, "names a binary that is not there");
    p->binary = (byte_span){r->content.bytes + r->taken, (size_t)size};
    checksum_text(p->binary.bytes, p->binary.size, sum);
    if (strcmp(sum, end + 1) != 0) return refuse(r, "names a binary whose bytes are others");
    r->taken += (size_t)size;
    return true;
}

static bool take_file(reading *r, bundled_program *p, const char *value)
{
    if (r->is_packed) return refuse(r, "names a file, which a bundle cannot");
    p->file = value;
    return *value != '\0' || refuse(r, "names no file");
}

/* A line of a program's description. */
static bool take_of_program(reading *r, const char *name, const char *value)
{
    bundled_program *p = &r->b->programs[r->b->count - 1];
    if (strcmp(name, "source-hash") == 0)
        p->hash = value;
    else if (strcmp(name, "options") == 0)
        p->options = value;
    else if (strcmp(name, "kernel") == 0)
        return add_kernel(r, p, value);
    else if (strcmp(name, "binary") == 0)
        return take_binary(r, p, value);
    else if (strcmp(name, "file") == 0)
        return take_file(r, p, value);
    else if (strcmp(name, "problem") != 0)
        return refuse(r, "has a name that a program's line cannot have");
    return true;
}

static bool is_of_device(const char *name)
{
    static const char *const names[] = {
        "clconv",         "platform", "platform-version", "device",           "vendor",
        "device-version", "driver",   "vector-bits",      "platform-options", "environment"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

/* A line without its end, which is split at the first blank. */
static bool take_line(reading *r, char *line)
{
    bundle *b = r->b;
    if (r->number == 1)
        return strcmp(line, BUNDLE_FIRST_LINE) == 0 || refuse(r, "is not: " BUNDLE_FIRST_LINE);
    if (*line == '\0' || *line == '#') return true;
    char *blank = strchr(line, ' ');
    char *value = blank != NULL ? blank + 1 : line + strlen(line);
    if (blank != NULL) *blank = '\0';
    if (strcmp(line, "program") == 0) return add_program(r, value);
    if (b->count > 0) return take_of_program(r, line, value);
    if (!is_of_device(line)) return refuse(r, "has a name that a device's line cannot have");
    text_append(&b->device, "%s %s\n", line, value);
    return !b->device.failed || refuse(r, "finds no memory");
}

static bool take_lines(reading *r)
{
    char *line = r->b->lines;
    while (line != NULL && *line != '\0') {
        char *end = strchr(line, '\n');
        if (end != NULL) *end = '\0';
        r->number++;
        if (!take_line(r, line)) return false;
        line = end != NULL ? end + 1 : NULL;
    }
    return r->number > 0 || refuse(r, "is not: " BUNDLE_FIRST_LINE);
}

/* What must be there when all lines are read. */
static bool is_complete(reading *r)
{
    const bundle *b = r->b;
    if (text_line_value(b->device.data, "device") == NULL)
        return snprintf(r->why, BUNDLE_WHY, "its manifest names no device"), false;
    if (b->count == 0) return snprintf(r->why, BUNDLE_WHY, "its manifest describes no program"), false;
    for (size_t i = 0; i < b->count; i++) {
        const bundled_program *p = &b->programs[i];
        bool is_there = r->is_packed ? p->binary.bytes != NULL : p->file != NULL;
        if (is_there && *p->hash != '\0' && p->kernels.length > 0) continue;
        snprintf(r->why, BUNDLE_WHY,
                 "its manifest describes cl/%s without source-hash, a kernel or its binary", p->source);
        return false;
    }
    if (r->taken == r->content.size) return true;
    return snprintf(r->why, BUNDLE_WHY, "it holds more binaries than its manifest names"), false;
}

/* Reads a manifest, of which it keeps a copy. NULL and a reason. */
static bundle *parse(byte_span manifest, const byte_span *content, char why[BUNDLE_WHY])
{
    reading r = {.b = calloc(1, sizeof *r.b), .why = why, .is_packed = content != NULL};
    text copy = {0};
    if (content != NULL) r.content = *content;
    text_append(&copy, "%s", "");
    text_append_bytes(&copy, manifest.bytes, manifest.size);
    if (r.b == NULL || copy.failed) {
        snprintf(why, BUNDLE_WHY, "there is no memory for it");
        text_release(&copy);
        free(r.b);
        return NULL;
    }
    r.b->lines = copy.data;
    bool is_text = memchr(manifest.bytes, '\0', manifest.size) == NULL || refuse(&r, "is no text");
    if (is_text && take_lines(&r) && is_complete(&r)) return r.b;
    bundle_release(r.b);
    return NULL;
}

bundle *bundle_of_bytes(char *bytes, size_t size, char why[BUNDLE_WHY])
{
    byte_span key, content;
    bundle *b = NULL;
    if (entry_parse((byte_span){bytes, size}, &key, &content))
        b = parse(key, &content, why);
    else
        snprintf(why, BUNDLE_WHY, "it is damaged or no bundle: its checksum is wrong");
    if (b != NULL)
        b->file = bytes;
    else
        free(bytes);
    return b;
}

bundle *bundle_open(const char *path, char why[BUNDLE_WHY])
{
    size_t size = 0;
    char *bytes = whole_file_read(path, most_bytes, &size, why);
    return bytes != NULL ? bundle_of_bytes(bytes, size, why) : NULL;
}

void bundle_release(bundle *b)
{
    if (b == NULL) return;
    for (size_t i = 0; i < b->count; i++)
        text_release(&b->programs[i].kernels);
    free(b->programs);
    text_release(&b->device);
    free(b->lines);
    free(b->file);
    free(b);
}

/* Whether a text of lines has this one. */
static bool has_line(const char *lines, const char *line, size_t length)
{
    for (const char *at = lines; at != NULL && *at != '\0'; at = strchr(at, '\n')) {
        at += *at == '\n';
        if (strncmp(at, line, length) == 0 && (at[length] == '\n' || at[length] == '\0')) return true;
    }
    return false;
}

bool bundle_is_for(const bundle *b, const char *device, char why[BUNDLE_WHY])
{
    for (const char *line = b->device.data; *line != '\0'; line += strcspn(line, "\n") + 1) {
        size_t length = strcspn(line, "\n");
        if (has_line(device, line, length)) continue;
        char name[32];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(line, " "), line);
        const char *own = text_line_value(device, name);
        snprintf(why, BUNDLE_WHY, "it is for %.*s, and this device has %s %.*s", (int)length, line, name,
                 own != NULL ? (int)strcspn(own, "\n") : 0, own != NULL ? own : "");
        return false;
    }
    return true;
}

const bundled_program *bundle_find(const bundle *b, const char *source, const char *hash, const char *options,
                                   bool *is_stale)
{
    *is_stale = false;
    for (size_t i = 0; i < b->count; i++) {
        const bundled_program *p = &b->programs[i];
        if (strcmp(p->source, source) != 0 || strcmp(p->options, options) != 0) continue;
        if (strcmp(p->hash, hash) == 0) return p;
        *is_stale = true;
    }
    return NULL;
}

char *bundle_kernel_name(const bundled_program *program, const char *kernel)
{
    kernel_line k;
    text own = {0};
    for (const char *line = program->kernels.data; *line != '\0' && own.length == 0;
         line = strchr(line, '\n') + 1)
        if (kernel_line_parse(line, &k) && k.other[0] != '\0' && strcmp(k.name, kernel) == 0)
            text_append(&own, "%s", k.other);
    if (own.length == 0) text_append(&own, "%s", kernel);
    if (!own.failed) return own.data;
    text_release(&own);
    return NULL;
}

void bundle_append_binary(text *manifest, byte_span binary)
{
    char sum[CHECKSUM_TEXT];
    checksum_text(binary.bytes, binary.size, sum);
    text_append(manifest, "binary %zu %s\n", binary.size, sum);
}

/* The line, or in its place that of the binary which it names; the binary goes to `content` unless it is there. */
static bool pack_line(const char *line, size_t length, const char *folder, text *manifest, text *content,
                      char why[BUNDLE_WHY])
{
    static const char start[] = "file ";
    if (length > 0 && *line == '#') return true;
    if (length <= sizeof start - 1 || strncmp(line, start, sizeof start - 1) != 0) {
        text_append_bytes(manifest, line, length);
        text_append_bytes(manifest, "\n", 1);
        return true;
    }
    char reason[WHOLE_FILE_WHY];
    text path = {0};
    size_t size = 0;
    line += sizeof start - 1;
    length -= sizeof start - 1;
    text_append(&path, "%s%s%.*s", *line == '/' ? "" : folder, *line == '/' ? "" : "/", (int)length, line);
    char *bytes = path.failed ? NULL : whole_file_read(path.data, most_bytes, &size, reason);
    if (bytes != NULL) {
        text added = {0};
        bundle_append_binary(&added, (byte_span){bytes, size});
        bool is_there = !added.failed && manifest->data != NULL && strstr(manifest->data, added.data) != NULL;
        if (!is_there) text_append_bytes(content, bytes, size);
        text_append(manifest, "%s", added.failed ? "" : added.data);
        manifest->failed = manifest->failed || added.failed;
        text_release(&added);
    } else {
        snprintf(why, BUNDLE_WHY, "its file '%.300s' cannot be read: %s", path.failed ? "" : path.data,
                 path.failed ? "no memory" : reason);
    }
    free(bytes);
    text_release(&path);
    return bytes != NULL;
}

char *bundle_pack(const char *manifest, const char *folder, size_t *size, char why[BUNDLE_WHY])
{
    text made = {0}, content = {0};
    char *bytes = NULL;
    bundle *b = parse(byte_span_of(manifest), NULL, why);
    bool ok = b != NULL;
    for (const char *line = manifest; ok && *line != '\0';) {
        size_t length = strcspn(line, "\n");
        ok = pack_line(line, length, folder, &made, &content, why);
        line += length + (line[length] == '\n');
    }
    if (ok && !made.failed && !content.failed)
        bytes = entry_format((byte_span){made.data, made.length}, (byte_span){content.data, content.length},
                             size);
    if (ok && bytes == NULL) snprintf(why, BUNDLE_WHY, "there is no memory for it");
    bundle_release(b);
    text_release(&made);
    text_release(&content);
    return bytes;
}
