/* env/descriptor.h - messages on unix sockets that bring one descriptor (unix(7), SCM_RIGHTS). Both
 * calls return at once; any thread. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* The descriptor stays the caller's too. False: errno tells why. */
bool qr_descriptor_send(int link, const void *message, size_t bytes, int fd);

/* As recvmsg. *ret_fd is the caller's, close-on-exec; -1 when the message brought none, or more
 * than one: those are closed. *ret_flags has MSG_TRUNC and MSG_CTRUNC. */
ssize_t qr_descriptor_receive(int link, void *dst, size_t bytes, int *ret_fd, int *ret_flags);
