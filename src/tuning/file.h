/* Files of tuning data: the user's own, and others by name. */
#ifndef CLCONV_TUNING_FILE_H
#define CLCONV_TUNING_FILE_H

#include "tuning/data.h"

/* The user's own: CLCONV_TUNING, else $XDG_DATA_HOME/clconv/tuning.txt, else ~/.local/share/clconv/tuning.txt; to be freed.
 * NULL and the reason if there is none: CLCONV_TUNING is "off", the process is privileged, or no folder is known. */
enum { TUNING_WHY = 512 };
char *tuning_own_path(char why[TUNING_WHY]);

/* Adds what a file holds, or nothing; *is_absent if there is no such file, which is an error too. */
clconv_status tuning_load(const char *path, tuning_data *data, bool *is_absent, clconv_error *err);

/* Merges the data into a file, which need not be there, nor its folder: read, and replaced as a whole, while no other process does so. A file
 * that is damaged stays as it is, which is an error. */
clconv_status tuning_update(const char *path, const tuning_data *data, clconv_error *err);

/* Writes the data without trials as a file of their own, replacing what is there as a whole. */
clconv_status tuning_export(const char *path, const tuning_data *data, clconv_error *err);

#endif
