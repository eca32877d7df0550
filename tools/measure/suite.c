/* The reader of suites. A CSV's first line names its columns; a field may be quoted but stays on its line.
 * What is not understood is an error that names file and line. */
#include "measure/suite.h"

#include "options/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

/* Columns: numbers of a problem, then texts, then what may be missing. */
enum { NETWORK = 19, LAYER, REQUIRED, TRANSPOSED = REQUIRED, COLUMNS, MAX_FIELDS = 64 };

typedef struct column {
    const char *name;
    size_t offset; /* of a number in clconv_problem */
} column;

#define AXES(prefix, member)                                                                              \
    {prefix "D", offsetof(clconv_problem, member[0])}, {prefix "H", offsetof(clconv_problem, member[1])}, \
    {                                                                                                     \
        prefix "W", offsetof(clconv_problem, member[2])                                                   \
    }

static const column columns[COLUMNS] = {{"N", offsetof(clconv_problem, batch)},
                                        {"Cin", offsetof(clconv_problem, in_channels)},
                                        {"Cout", offsetof(clconv_problem, out_channels)},
                                        {"groups", offsetof(clconv_problem, groups)},
                                        AXES("", input),
                                        AXES("k", kernel),
                                        AXES("s", stride),
                                        AXES("p", pad_before),
                                        AXES("d", dilation),
                                        {"network", 0},
                                        {"layer", 0},
                                        {"transposed", 0}};

typedef struct csv {
    const char *path;
    FILE *file;
    char *line; /* owned */
    size_t capacity;
    int64_t line_number;
    char *fields[MAX_FIELDS]; /* into line */
    int field_count;
    int place[COLUMNS]; /* field of each column; -1 if it is missing */
    int header_fields;
} csv;

void suite_release(suite *s)
{
    for (size_t i = 0; i < s->count; i++) {
        free(s->layers[i].network);
        free(s->layers[i].name);
    }
    free(s->layers);
    *s = (suite){0};
}

static int out_of_memory(void)
{
    return tool_fail(EXIT_FAILED, "out of memory while reading the layers");
}

static int suite_append(suite *s, const char *network, const char *name, const clconv_problem *problem)
{
    layer *grown = realloc(s->layers, (s->count + 1) * sizeof *grown);
    if (!grown) return out_of_memory();
    s->layers = grown;
    layer *added = &grown[s->count++];
    *added = (layer){strdup(network), strdup(name), *problem};
    return added->network && added->name ? EXIT_DONE : out_of_memory();
}

/* The field at `text`, its quotes removed in place. Returns what follows its comma, NULL at the end of the
 * line, `text` itself if it is malformed. */
static char *csv_field(char *text)
{
    int quoted = *text == '"';
    char *from = text + quoted, *to = text;
    while (quoted && *from && (*from != '"' || from[1] == '"')) {
        from += *from == '"';
        *to++ = *from++;
    }
    if (quoted && *from++ != '"') return text;
    if (!quoted) from = to = text + strcspn(text, ",\"");
    if (*from && *from != ',') return text;
    char *next = *from ? from + 1 : NULL;
    *to = 0;
    return next;
}

static int csv_split(csv *c)
{
    char *next = c->line;
    for (c->field_count = 0; next; c->field_count++) {
        if (c->field_count == MAX_FIELDS) {
            return tool_fail(EXIT_WRONG_USE, "%s:%lld: more than %d fields", c->path,
                             (long long)c->line_number, MAX_FIELDS);
        }
        char *field = c->fields[c->field_count] = next;
        next = csv_field(field);
        if (next == field) {
            return tool_fail(EXIT_WRONG_USE, "%s:%lld: field %d has a quote that does not enclose it",
                             c->path, (long long)c->line_number, c->field_count + 1);
        }
    }
    return EXIT_DONE;
}

/* The next line that is not blank, split; *more becomes 0 at the end of the file. */
static int csv_next(csv *c, int *more)
{
    for (;;) {
        errno = 0;
        ssize_t length = getline(&c->line, &c->capacity, c->file);
        *more = length >= 0;
        if (length < 0 && !feof(c->file)) {
            return tool_fail(EXIT_FAILED, "--suite: cannot read '%s': %s", c->path, strerror(errno));
        }
        if (length < 0) return EXIT_DONE;
        c->line_number++;
        if (strlen(c->line) != (size_t)length) {
            return tool_fail(EXIT_WRONG_USE, "%s:%lld: holds a zero byte", c->path,
                             (long long)c->line_number);
        }
        /* Spreadsheets begin UTF-8 with a mark. */
        static const char mark[] = "\xef\xbb\xbf";
        size_t skipped = c->line_number == 1 && strncmp(c->line, mark, 3) == 0 ? 3 : 0;
        memmove(c->line, c->line + skipped, (size_t)length - skipped + 1);
        c->line[strcspn(c->line, "\r\n")] = 0;
        if (*c->line) return csv_split(c);
    }
}

static int csv_header(csv *c)
{
    int more;
    int status = csv_next(c, &more);
    if (status) return status;
    if (!more) return tool_fail(EXIT_WRONG_USE, "%s: is empty; its first line must name columns", c->path);
    c->header_fields = c->field_count;
    for (int i = 0; i < COLUMNS; i++) {
        c->place[i] = -1;
        for (int f = 0; f < c->field_count; f++) {
            if (strcmp(c->fields[f], columns[i].name) != 0) continue;
            if (c->place[i] >= 0) {
                return tool_fail(EXIT_WRONG_USE, "%s:%lld: column '%s' comes twice", c->path,
                                 (long long)c->line_number, columns[i].name);
            }
            c->place[i] = f;
        }
        if (c->place[i] < 0 && i < REQUIRED) {
            return tool_fail(EXIT_WRONG_USE, "%s:%lld: column '%s' is missing", c->path,
                             (long long)c->line_number, columns[i].name);
        }
    }
    return EXIT_DONE;
}

static int csv_number(const csv *c, int i, int64_t *value)
{
    char name[4096 + 64];
    snprintf(name, sizeof name, "%s:%lld: column %s", c->path, (long long)c->line_number, columns[i].name);
    return option_integer(value, name, c->fields[c->place[i]]);
}

static int csv_layer(const csv *c, int wants_transposed, suite *s)
{
    clconv_problem problem;
    clconv_problem_init(&problem);
    if (c->field_count != c->header_fields) {
        return tool_fail(EXIT_WRONG_USE, "%s:%lld: %d fields; the header has %d", c->path,
                         (long long)c->line_number, c->field_count, c->header_fields);
    }
    for (int i = 0; i < NETWORK; i++) {
        int64_t value;
        int status = csv_number(c, i, &value);
        if (status) return status;
        memcpy((char *)&problem + columns[i].offset, &value, sizeof value);
    }
    memcpy(problem.pad_after, problem.pad_before, sizeof problem.pad_after);
    int64_t transposed = 0;
    int status = c->place[TRANSPOSED] < 0 ? EXIT_DONE : csv_number(c, TRANSPOSED, &transposed);
    if (status) return status;
    if (transposed != 0 && transposed != 1) {
        return tool_fail(EXIT_WRONG_USE, "%s:%lld: column transposed is %lld; it must be 0 or 1", c->path,
                         (long long)c->line_number, (long long)transposed);
    }
    if (transposed != wants_transposed) return EXIT_DONE;
    return suite_append(s, c->fields[c->place[NETWORK]], c->fields[c->place[LAYER]], &problem);
}

int suite_read(const char *path, clconv_op op, suite *s)
{
    csv c = {.path = path, .file = fopen(path, "r")};
    if (!c.file) return tool_fail(EXIT_FAILED, "--suite: cannot open '%s': %s", path, strerror(errno));
    int more = 1;
    int status = csv_header(&c);
    while (!status && (status = csv_next(&c, &more)) == EXIT_DONE && more) {
        status = csv_layer(&c, op == CLCONV_TRANSPOSED, s);
    }
    if (!status && !s->count) {
        status = tool_fail(EXIT_WRONG_USE, "%s: holds no layer for --op %s", path, clconv_op_name(op));
    }
    free(c.line);
    fclose(c.file);
    return status;
}

static int suite_parse(suite *s, const char *network, const char *name, const char *text)
{
    clconv_error err;
    clconv_problem problem;
    if (clconv_problem_parse(text, &problem, &err)) return tool_fail_library("--problem", &err);
    return suite_append(s, network, name, &problem);
}

int suite_from_problem(const char *text, suite *s)
{
    return suite_parse(s, "problem", text, text);
}

int suite_builtin(suite *s)
{
    static const char *const layers[][3] = {{"C3D", "conv2a", "ic64id16ih56oc128kd3pd1"},
                                            {"R3D-18", "layer1", "ic64id8ih56oc64kd3pd1"},
                                            {"R3D-18", "stem", "ic3id16ih112oc64kd3kh7sd1sh2pd1ph3"},
                                            {"X3D-M", "depthwise", "g108ic108id16ih28oc108kd3pd1"},
                                            {"I3D", "pointwise", "ic256id8ih28oc512kd1"}};
    int status = EXIT_DONE;
    for (size_t i = 0; !status && i < sizeof layers / sizeof *layers; i++) {
        status = suite_parse(s, layers[i][0], layers[i][1], layers[i][2]);
    }
    return status;
}
