/* env/background.h - threads whose work can wait, and threads whose work cannot */
#pragma once

/* While others want the processor the calling thread gets less of it, from now on. What waits for
 * it must be bounded by somebody. */
void qr_thread_background(void);

/* The calling thread works for moments, and many wait for it: from now on it asks for short turns,
 * and so gets the processor soon when it wakes (Linux 6.12; before, nothing changes). */
void qr_thread_prompt(void);
