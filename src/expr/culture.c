/* culture.c - see culture.h */
#include "culture.h"
#include "base/str.h"
#include "base/banned.h"

static const struct qri_culture cultures[] = {
    {"en-US", '.', ',', QR_MDY, "$", "$n", "($n)", "n%", "M/d/yyyy", "dddd, MMMM d, yyyy",
     "h:mm tt", "h:mm:ss tt", "MMMM d", "MMMM yyyy", true},
    {"en-GB", '.', ',', QR_DMY, "\xC2\xA3", "$n", "-$n", "n%", "dd/MM/yyyy", "dd MMMM yyyy",
     "HH:mm", "HH:mm:ss", "d MMMM", "MMMM yyyy", true},
    {"en-CA", '.', ',', QR_YMD, "$", "$n", "-$n", "n%", "yyyy-MM-dd", "MMMM d, yyyy", "h:mm tt",
     "h:mm:ss tt", "MMMM d", "MMMM yyyy", true},
    {"en-AU", '.', ',', QR_DMY, "$", "$n", "-$n", "n%", "d/MM/yyyy", "dddd, d MMMM yyyy", "h:mm tt",
     "h:mm:ss tt", "d MMMM", "MMMM yyyy", true},
    {"", '.', ',', QR_MDY, "\xC2\xA4", "$n", "($n)", "n %", "MM/dd/yyyy", "dddd, dd MMMM yyyy",
     "HH:mm", "HH:mm:ss", "MMMM dd", "yyyy MMMM", true},
    {"de-DE", ',', '.', QR_DMY, "\xE2\x82\xAC", "n $", "-n $", "n %", "dd.MM.yyyy",
     "dddd, d. MMMM yyyy", "HH:mm", "HH:mm:ss", "d. MMMM", "MMMM yyyy", false},
    {"fr-FR", ',', ' ', QR_DMY, "\xE2\x82\xAC", "n $", "-n $", "n %", "dd/MM/yyyy",
     "dddd d MMMM yyyy", "HH:mm", "HH:mm:ss", "d MMMM", "MMMM yyyy", false},
    {"es-ES", ',', '.', QR_DMY, "\xE2\x82\xAC", "n $", "-n $", "n %", "dd/MM/yyyy",
     "dddd, d MMMM yyyy", "H:mm", "H:mm:ss", "d MMMM", "MMMM yyyy", false},
    {"it-IT", ',', '.', QR_DMY, "\xE2\x82\xAC", "n $", "-n $", "n%", "dd/MM/yyyy",
     "dddd d MMMM yyyy", "HH:mm", "HH:mm:ss", "d MMMM", "MMMM yyyy", false},
    {"ja-JP", '.', ',', QR_YMD, "\xC2\xA5", "$n", "-$n", "n%", "yyyy/MM/dd", "yyyy MMMM d", "H:mm",
     "H:mm:ss", "MMMM d", "yyyy MMMM", false},
    {"zh-CN", '.', ',', QR_YMD, "\xC2\xA5", "$n", "$-n", "n%", "yyyy/M/d", "yyyy MMMM d", "H:mm",
     "H:mm:ss", "MMMM d", "yyyy MMMM", false},
    {"pt-BR", ',', '.', QR_DMY, "R$", "$n", "-$n", "n%", "dd/MM/yyyy", "dddd, d MMMM yyyy", "HH:mm",
     "HH:mm:ss", "d MMMM", "MMMM yyyy", false},
};

const struct qri_culture *qri_culture_find(struct qr_str name)
{
    for (size_t i = 0; i < sizeof cultures / sizeof cultures[0]; i++)
        if (qr_str_ieqz(name, cultures[i].name))
            return &cultures[i];
    return NULL;
}
