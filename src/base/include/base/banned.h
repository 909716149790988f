/* base/banned.h - calls that this code does not make; included by every .c file of ours last.
 * Each has a better one: qr_buf, snprintf, qr_env clock and random, strtoll with checks. */
#pragma once
#pragma GCC poison strcpy strcat sprintf vsprintf strtok gets atoi atol atof gmtime localtime rand \
    srand
