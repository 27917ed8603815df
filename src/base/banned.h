/*
 * banned.h - functions that invite overflow, silent failure or hidden state are compile errors.
 * Included before every source file (-include). Use snprintf, buf_printf (mem.h), num_* (num.h) and
 * rng_* (rng.h) instead.
 */
#ifndef MIST_BASE_BANNED_H
#define MIST_BASE_BANNED_H

/* The system's own headers must be read before their names are taken away. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC poison sprintf vsprintf strcpy strcat strncpy strncat strtok gets
#pragma GCC poison atoi atol atoll atof rand srand srandom drand48 tmpnam mktemp

#endif
