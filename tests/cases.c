/* Reads the table of cases: see cases.h. */
#include "cases.h"

#include "problem/geometry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LINE = 512 };

static int index_of_word(const char *word, const char *const *words, int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(word, words[i]) == 0) return i;
    return -1;
}

static int parse_mode(const char *value, clconv_problem *p)
{
    static const char *const modes[] = {"zeros", "reflect", "replicate", "circular", "symmetric"};
    int mode = index_of_word(value, modes, 5);
    if (mode >= 0) p->padding_mode = (clconv_padding_mode)mode;
    return mode >= 0;
}

static int parse_padding(const char *value, clconv_problem *p)
{
    int64_t pad[6];
    for (int i = 0; i < 6; i++) {
        char *end = NULL;
        pad[i] = strtoll(value, &end, 10);
        if (end == value || *end != (i < 5 ? ',' : '\0')) return 0;
        value = end + 1;
    }
    for (int axis = 0; axis < 3; axis++) {
        p->pad_before[axis] = pad[2 * axis];
        p->pad_after[axis] = pad[2 * axis + 1];
    }
    return 1;
}

static int parse_flag(const char *value, int *flag)
{
    if (strcmp(value, "0") != 0 && strcmp(value, "1") != 0) return 0;
    *flag = value[0] == '1';
    return 1;
}

static int parse_dtype(const char *value, clconv_problem *p)
{
    static const char *const types[] = {"f32", "f64"};
    int dtype = index_of_word(value, types, 2);
    if (dtype >= 0) p->dtype = (clconv_dtype)dtype;
    return dtype >= 0;
}

static int parse_activation(const char *value, clconv_problem *p)
{
    static const char *const names[] = {"none", "relu", "leaky_relu", "silu", "sigmoid", "tanh", "gelu"};
    char name[16] = "", *end = NULL;
    size_t length = strcspn(value, ":");
    snprintf(name, sizeof name, "%.*s", (int)length, value);
    int activation = index_of_word(name, names, 7);
    if (activation < 0 || (activation == CLCONV_ACTIVATION_LEAKY_RELU) != (value[length] == ':')) return 0;
    p->activation = (clconv_activation)activation;
    if (value[length] == ':') p->activation_slope = strtod(value + length + 1, &end);
    return end == NULL || *end == '\0';
}

static int parse_key(const char *token, test_case *c)
{
    if (strncmp(token, "mode=", 5) == 0) return parse_mode(token + 5, &c->problem);
    if (strncmp(token, "pad=", 4) == 0) return parse_padding(token + 4, &c->problem);
    if (strncmp(token, "bias=", 5) == 0) return parse_flag(token + 5, &c->problem.has_bias);
    if (strncmp(token, "residual=", 9) == 0) return parse_flag(token + 9, &c->problem.has_residual);
    if (strncmp(token, "activation=", 11) == 0) return parse_activation(token + 11, &c->problem);
    if (strncmp(token, "dtype=", 6) == 0) return parse_dtype(token + 6, &c->problem);
    if (strncmp(token, "strict=", 7) == 0) return parse_flag(token + 7, &c->strict);
    return 0;
}

/* 1: a case; 0: an empty line; -1: a mistake, printed. `line` is taken apart. */
static int parse_line(char *line, const char *where, test_case *c)
{
    static const char blanks[] = " \t\r\n";
    line[strcspn(line, "#\r\n")] = '\0';
    snprintf(c->text, sizeof c->text, "%.*s", (int)sizeof c->text - 1, line);
    char *token = strtok(line, blanks);
    if (token == NULL) return 0;
    clconv_error err = {.message = ""};
    if (clconv_problem_parse(token, &c->problem, &err) != CLCONV_SUCCESS) {
        printf("%s:%d: %s\n", where, c->line, err.message);
        return -1;
    }
    while ((token = strtok(NULL, blanks)) != NULL) {
        if (parse_key(token, c)) continue;
        printf("%s:%d: what is \"%s\"?\n", where, c->line, token);
        return -1;
    }
    if (clconv_problem_validate(&c->problem, &err) == CLCONV_SUCCESS) return 1;
    printf("%s:%d: %s\n", where, c->line, err.message);
    return -1;
}

static test_case *read_lines(FILE *file, const char *where, size_t *count)
{
    test_case *cases = NULL;
    char line[MAX_LINE];
    *count = 0;
    for (int number = 1; fgets(line, sizeof line, file) != NULL; number++) {
        test_case c = {.line = number};
        int found = parse_line(line, where, &c);
        if (found == 0) continue;
        test_case *grown = found > 0 ? realloc(cases, (*count + 1) * sizeof *cases) : NULL;
        if (grown == NULL) {
            free(cases);
            return NULL;
        }
        cases = grown;
        cases[(*count)++] = c;
    }
    return cases;
}

test_case *cases_read(const char *path, size_t *count)
{
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        printf("%s: cannot be opened\n", path);
        return NULL;
    }
    test_case *cases = read_lines(file, path, count);
    fclose(file);
    return cases;
}

bool case_is_wanted(const test_case *c)
{
    const double heavy = 4e6;
    const char *work = getenv("CLCONV_TEST_WORK");
    geometry g;
    if (work == NULL || geometry_compute(&c->problem, &g, NULL) != CLCONV_SUCCESS) return true;
    return ((double)g.reduction * (double)g.elements.output > heavy) == (strcmp(work, "heavy") == 0);
}

bool case_has_gradients(size_t index)
{
    return index % 3 == 0 || getenv("CLCONV_FULL_TESTS") != NULL;
}
