/* clconv cache: what is kept of programs on disk, and keeping it. */
#include "commands/commands.h"
#include "common/json.h"
#include "options/options.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

typedef struct cache_options {
    int json, idle;
    common_options common;
} cache_options;

static const option_spec cache_table[] = {
    {.name = "json",
     .help = "show: prints one JSON object a line, the last of all of it",
     .parse = option_flag,
     .offset = offsetof(cache_options, json)},
    {.name = "idle",
     .help = "fill: takes processor time that nobody else wants",
     .parse = option_flag,
     .offset = offsetof(cache_options, idle)},
    {.name = NULL},
};

static const command_help cache_help = {
    "cache", "show [--json]\nor clear\nor verify\nor fill [--idle]",
    "The cache of compiled programs on disk (CLCONV_CACHE_DIR, else $XDG_CACHE_HOME/clconv, else\n"
    "~/.cache/clconv). 'show' lists its entries and what was found in it so far; 'clear' removes\n"
    "all; 'verify' reads and checks every entry and removes those that are damaged, which ends in\n"
    "status 1; 'fill' makes the entries that earlier commands left for it on this device, since its\n"
    "driver compiles again for them.",
    1};

/* The value of a line of a key; "" without it. */
static const char *value_of(const char *key, const char *name, char *value, size_t room)
{
    size_t length = strlen(name);
    value[0] = '\0';
    for (const char *line = key; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, length) != 0 || line[length] != ' ') continue;
        line += length + 1;
        snprintf(value, room, "%.*s", (int)strcspn(line, "\n"), line);
        break;
    }
    return value;
}

static void add_value(cJSON *object, const char *key, const char *line, const char *name)
{
    char value[2048];
    cJSON_AddStringToObject(object, name, value_of(key, line, value, sizeof value));
}

static int show_json(void *user, const clconv_cache_entry *entry)
{
    int *status = user;
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "file", entry->name);
    cJSON_AddNumberToObject(object, "bytes", (double)entry->bytes);
    cJSON_AddNumberToObject(object, "used", (double)entry->used);
    cJSON_AddBoolToObject(object, "sound", entry->is_sound);
    add_value(object, entry->key, "device", "device");
    add_value(object, entry->key, "driver", "driver");
    add_value(object, entry->key, "source", "source");
    add_value(object, entry->key, "options", "options");
    if (!*status) *status = json_print(object);
    return 0;
}

static int show_text(void *user, const clconv_cache_entry *entry)
{
    (void)user;
    char source[256], options[1024], device[256], day[32] = "";
    time_t used = (time_t)entry->used;
    const struct tm *at = localtime(&used);
    if (at) strftime(day, sizeof day, "%Y-%m-%d", at);
    if (!entry->is_sound) {
        printf("%8" PRId64 "  %s  damaged: %s\n", entry->bytes, day, entry->name);
        return 0;
    }
    printf("%8" PRId64 "  %s  %s  %s  (%s)\n", entry->bytes, day,
           value_of(entry->key, "source", source, sizeof source),
           value_of(entry->key, "options", options, sizeof options),
           value_of(entry->key, "device", device, sizeof device));
    return 0;
}

static int print_info(const clconv_cache_info *i)
{
    cJSON *object = cJSON_CreateObject();
    const struct {
        const char *name;
        int64_t value;
    } numbers[] = {{"entries", i->entries}, {"bytes", i->bytes},     {"limit_bytes", i->limit_bytes},
                   {"wanted", i->wanted},   {"loaded", i->loaded},   {"absent", i->absent},
                   {"damaged", i->damaged}, {"refused", i->refused}, {"wrong", i->wrong},
                   {"saved", i->saved}};
    cJSON_AddStringToObject(object, "folder", i->folder);
    cJSON_AddStringToObject(object, "off", i->off);
    for (size_t n = 0; n < sizeof numbers / sizeof *numbers; n++) {
        cJSON_AddNumberToObject(object, numbers[n].name, (double)numbers[n].value);
    }
    return json_print(object);
}

static int show(const cache_options *o)
{
    clconv_error err;
    clconv_cache_info i;
    int status = EXIT_DONE;
    if (clconv_cache_visit(o->json ? show_json : show_text, &status, &err) ||
        clconv_cache_get_info(&i, &err)) {
        return tool_fail_library(NULL, &err);
    }
    if (status || o->json) return status ? status : print_info(&i);
    if (i.off[0]) {
        printf("off: %s\n", i.off);
        return EXIT_DONE;
    }
    printf("folder: %s\nentries: %" PRId64 ", %.1f MB of at most %.0f MB\n", i.folder, i.entries,
           1e-6 * (double)i.bytes, 1e-6 * (double)i.limit_bytes);
    printf("found: %" PRId64 "; not found: %" PRId64 " absent, %" PRId64 " damaged, %" PRId64
           " refused by the driver, %" PRId64 " wrong; saved: %" PRId64 "\n",
           i.loaded, i.absent, i.damaged, i.refused, i.wrong, i.saved);
    if (i.wanted > 0) printf("left for 'clconv cache fill': %" PRId64 "\n", i.wanted);
    return EXIT_DONE;
}

static int clear(void)
{
    clconv_error err;
    int64_t removed;
    if (clconv_cache_clear(&removed, &err)) return tool_fail_library(NULL, &err);
    printf("%" PRId64 " files removed\n", removed);
    return EXIT_DONE;
}

typedef struct tally {
    int64_t sound, damaged;
} tally;

static int remove_damaged(void *user, const clconv_cache_entry *entry)
{
    tally *t = user;
    t->sound += entry->is_sound != 0;
    t->damaged += entry->is_sound == 0;
    if (!entry->is_sound) printf("damaged, removed: %s\n", entry->name);
    return !entry->is_sound;
}

static int verify(void)
{
    clconv_error err;
    tally t = {0, 0};
    if (clconv_cache_visit(remove_damaged, &t, &err)) return tool_fail_library(NULL, &err);
    printf("%" PRId64 " entries are sound\n", t.sound);
    if (t.damaged == 0) return EXIT_DONE;
    return tool_fail(EXIT_FAILED, "cache: %" PRId64 " entries were damaged", t.damaged);
}

static int fill(const cache_options *o)
{
    clconv_error err;
    clconv_context *context = NULL;
    int64_t saved = 0;
    if (o->idle) (void)setpriority(PRIO_PROCESS, 0, 19);
    int status = common_options_open(&o->common, &context);
    if (status) return status;
    if (clconv_cache_fill(context, &saved, &err)) status = tool_fail_library(NULL, &err);
    clconv_context_release(context);
    if (!status) printf("%" PRId64 " programs saved\n", saved);
    return status;
}

int cmd_cache(int argc, char **argv)
{
    cache_options options = {0};
    const char *what = NULL;
    common_options_init(&options.common);
    const option_group groups[] = {{"options", cache_table, &options},
                                   {"device", device_option_table, &options.common},
                                   {NULL, NULL, NULL}};
    int status = options_parse(&cache_help, groups, argc, argv, &what);
    if (status != OPTIONS_PARSED) return status;
    if (!strcmp(what, "show")) return show(&options);
    if (!strcmp(what, "clear")) return clear();
    if (!strcmp(what, "verify")) return verify();
    if (!strcmp(what, "fill")) return fill(&options);
    return tool_fail(EXIT_WRONG_USE, "cache: '%s' is none of show, clear, verify and fill", what);
}
