/* A picture of volumes: the middle slices, axial, coronal and sagittal, a column each and a row for each
 * volume, all of one grid, in proportion to the voxels' sizes, with the values' range beside them. */
#ifndef CLCONV_TOOLS_IMAGES_PICTURE_H
#define CLCONV_TOOLS_IMAGES_PICTURE_H

#include "files/nifti.h"

typedef enum picture_scale {
    PICTURE_GREY,  /* from the lowest to the highest value, outliers aside */
    PICTURE_HEAT,  /* values of at least 0, from 0 up */
    PICTURE_SIGNED /* two hues, zero in the middle and dark */
} picture_scale;

typedef struct picture_row {
    const char *label;
    picture_scale scale;
    const void *values; /* (D, H, W), dense */
} picture_row;

typedef struct picture {
    const char *title, *lines[2];
    clconv_dtype dtype;
    int64_t shape[3]; /* D, H, W, each at least 1 */
    volume_frame frame;
    bool oriented; /* the frame is known: sides get their letters */
    int row_count;
    const picture_row *rows;
} picture;

/* Writes a PNG; false if memory is out or the file could not be written. */
bool picture_write(const picture *p, FILE *file);

#endif
