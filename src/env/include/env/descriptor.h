/* env/descriptor.h - messages on unix sockets that bring descriptors (unix(7), SCM_RIGHTS), and
 * what the kernel knows of a connection. The calls return at once; any thread. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { QR_DESCRIPTORS_MAX = 4 }; /* that a message may bring */

/* The descriptors stay the caller's too. False: errno tells why. */
bool qr_descriptors_send(int link, const void *message, size_t bytes, const int *fds, size_t count);

/* As recvmsg. ret_fds[*ret_count] are the caller's, close-on-exec; none when the message brought
 * more than count_max: those are closed. *ret_flags has MSG_TRUNC and MSG_CTRUNC. */
ssize_t qr_descriptors_receive(int link, void *dst, size_t bytes, int *ret_fds, size_t count_max,
                               size_t *ret_count, int *ret_flags);

/* Of TCP: for a minute nothing has come from the other end, not even an acknowledgement of what was
 * sent, nor an answer whether it takes more. One that is there and does not read answers that. When
 * nothing is on the way keep-alive asks instead; the kernel alone waits for 15 minutes. */
bool qr_descriptor_vanished(int fd);
