/* qr_test.h - cmocka with the four headers it needs. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdbool.h>
#include <string.h>
#include <cmocka.h>

#ifdef __clang_analyzer__
/* Tells the analyzer that a test does not go on behind an assertion that failed. */
#undef assert_int_equal
#define assert_int_equal(a, b) ((a) == (b) ? (void)0 : __builtin_trap())
#endif
