/* Where the voxels of a volume lie, and writing them: the other half of nifti.h. A header's geometry is an
 * affine map from voxel to world (the sform), a second one (the qform: rotation by a quaternion, then pixdim,
 * then an offset), or spacings alone. All that are set move together. */
#include "files/nifti.h"

#include "files/gzip.h"

#include <inttypes.h>
#include <math.h>
#include <nifti2_io.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_SIZE = 348, DATA_START = 352, LONGEST = 32767 };

struct volume_header {
    nifti_1_header header; /* in the machine's byte order; only its geometry is used */
};

volume_header *volume_create(const nifti_1_header *header)
{
    volume_header *volume = malloc(sizeof *volume);
    if (volume != NULL) volume->header = *header;
    return volume;
}

void volume_release(volume_header *volume)
{
    free(volume);
}

int volume_check_shape(const char *name, const char *path, int rank, const int64_t *shape)
{
    if (rank < 3 || rank > 5 || (rank == 5 && shape[0] != 1))
        return tool_fail(
            EXIT_WRONG_USE,
            "%s: '%s': a NIfTI file holds (D, H, W), (C, D, H, W) or (1, C, D, H, W), not rank %d%s", name,
            path, rank, rank == 5 ? " with N other than 1" : "");
    for (int i = 0; i < rank; i++)
        if (shape[i] < 1 || shape[i] > LONGEST)
            return tool_fail(EXIT_WRONG_USE,
                             "%s: '%s': a size of %" PRId64 "; in a NIfTI file it must be 1 to %d", name,
                             path, shape[i], (int)LONGEST);
    return EXIT_DONE;
}

/* The members that say where voxels lie. */
static void copy_geometry(nifti_1_header *to, const nifti_1_header *from)
{
    memcpy(to->pixdim, from->pixdim, sizeof to->pixdim);
    memcpy(to->srow_x, from->srow_x, sizeof to->srow_x);
    memcpy(to->srow_y, from->srow_y, sizeof to->srow_y);
    memcpy(to->srow_z, from->srow_z, sizeof to->srow_z);
    to->qform_code = from->qform_code;
    to->sform_code = from->sform_code;
    to->quatern_b = from->quatern_b;
    to->quatern_c = from->quatern_c;
    to->quatern_d = from->quatern_d;
    to->qoffset_x = from->qoffset_x;
    to->qoffset_y = from->qoffset_y;
    to->qoffset_z = from->qoffset_z;
    to->xyzt_units = from->xyzt_units;
}

static nifti_1_header *make_header(const tensor *t)
{
    const int64_t *end = t->shape + t->rank;
    int64_t channels = t->rank >= 4 ? end[-4] : 1;
    int64_t dims[8] = {channels > 1 ? 4 : 3, end[-1], end[-2], end[-3], channels, 1, 1, 1};
    nifti_1_header *h = nifti_make_new_n1_header(dims, t->dtype == CLCONV_FLOAT64 ? DT_FLOAT64 : DT_FLOAT32);
    if (h == NULL) return NULL;
    for (int i = 1; i < 8; i++)
        h->dim[i] = (short)dims[i]; /* the library leaves 0 behind the last */
    memcpy(h->magic, "n+1", 4);
    h->vox_offset = DATA_START;
    h->scl_slope = 1;
    h->scl_inter = 0;
    if (t->volume != NULL) {
        copy_geometry(h, &t->volume->header);
    } else {
        h->sform_code = NIFTI_XFORM_SCANNER_ANAT;
        h->srow_x[0] = h->srow_y[1] = h->srow_z[2] = 1;
    }
    if (!(h->pixdim[4] > 0)) h->pixdim[4] = 1;
    return h;
}

static bool write_plain(FILE *file, const gzip_part *parts, int count)
{
    for (int i = 0; i < count; i++)
        if (fwrite(parts[i].data, 1, (size_t)parts[i].bytes, file) != (size_t)parts[i].bytes) return false;
    return true;
}

bool volume_write(FILE *file, bool compressed, const tensor *t)
{
    static const char no_extensions[DATA_START - HEADER_SIZE] = {0};
    nifti_1_header *h = make_header(t);
    if (h == NULL) return false;
    const gzip_part parts[] = {{h, HEADER_SIZE},
                               {no_extensions, sizeof no_extensions},
                               {t->data, t->elements * (t->dtype == CLCONV_FLOAT64 ? 8 : 4)}};
    bool good = compressed ? gzip_write(file, parts, 3, 0) : write_plain(file, parts, 3);
    free(h);
    return good;
}

bool volume_write_header(FILE *file, const tensor *t)
{
    tensor empty = *t;
    empty.elements = 0;
    return volume_write(file, false, &empty);
}

/* The linear part and offset of the qform, without its pixdim. */
static nifti_dmat44 qform_rotation(const nifti_1_header *h)
{
    double sign = h->pixdim[0] < 0 ? -1 : 1;
    return nifti_quatern_to_dmat44((double)h->quatern_b, (double)h->quatern_c, (double)h->quatern_d,
                                   (double)h->qoffset_x, (double)h->qoffset_y, (double)h->qoffset_z, 1, 1, 1,
                                   sign);
}

/* `row` times the voxel (x, y, z): a coordinate of its place. */
static void move_row(float row[4], const double origin[3], const double step[3])
{
    for (int i = 0; i < 3; i++) {
        double column = (double)row[i];
        row[3] = (float)((double)row[3] + column * origin[2 - i]); /* D, H, W order: 2 - i is x, y, z */
        row[i] = (float)(column * step[2 - i]);
    }
}

volume_header *volume_derive(const volume_header *source, const double origin[3], const double step[3])
{
    volume_header *derived = source == NULL ? NULL : volume_create(&source->header);
    if (derived == NULL) return NULL;
    nifti_1_header *h = &derived->header;
    nifti_dmat44 turn = qform_rotation(h);
    double moved[3];
    for (int i = 0; i < 3; i++) {
        moved[i] = turn.m[i][3];
        for (int j = 0; j < 3; j++)
            moved[i] += turn.m[i][j] * (double)h->pixdim[1 + j] * origin[2 - j];
    }
    h->qoffset_x = (float)moved[0];
    h->qoffset_y = (float)moved[1];
    h->qoffset_z = (float)moved[2];
    for (int j = 0; j < 3; j++)
        h->pixdim[1 + j] = (float)((double)h->pixdim[1 + j] * step[2 - j]);
    move_row(h->srow_x, origin, step);
    move_row(h->srow_y, origin, step);
    move_row(h->srow_z, origin, step);
    return derived;
}

/* Voxel to world; the identity if the header knows nothing. */
static nifti_dmat44 world_of(const nifti_1_header *h)
{
    nifti_dmat44 m = {{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}, {0, 0, 0, 1}}};
    if (h->sform_code > 0) {
        const float *rows[3] = {h->srow_x, h->srow_y, h->srow_z};
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 4; j++)
                m.m[i][j] = (double)rows[i][j];
    } else if (h->qform_code > 0) {
        m = qform_rotation(h);
    }
    return m;
}

volume_frame volume_get_frame(const volume_header *volume)
{
    volume_frame frame = {.spacing = {1, 1, 1}, .axis = {2, 1, 0}};
    if (volume == NULL) return frame;
    int towards[3] = {0};
    nifti_dmat44_to_orientation(world_of(&volume->header), &towards[0], &towards[1], &towards[2]);
    for (int i = 0; i < 3; i++) {
        double spacing = fabs((double)volume->header.pixdim[1 + i]);
        frame.spacing[2 - i] = isfinite(spacing) && spacing > 0 ? spacing : 1;
    }
    for (int i = 0; i < 3; i++) { /* codes are 1 to 6: right, left, front, back, up, down */
        if (towards[i] < 1) return frame;
    }
    for (int i = 0; i < 3; i++) {
        int world = (towards[i] - 1) / 2;
        frame.axis[world] = 2 - i;
        frame.reversed[world] = towards[i] % 2 == 0;
    }
    return frame;
}
