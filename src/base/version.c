/* The version of the library. */
#include "clconv.h"

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

const char *clconv_version(void)
{
    return TEXT(CLCONV_VERSION_MAJOR) "." TEXT(CLCONV_VERSION_MINOR) "." TEXT(CLCONV_VERSION_PATCH);
}
