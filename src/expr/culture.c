/* culture.c - see culture.h */
#include "culture.h"
#include "base/str.h"
#include "base/banned.h"

#define ENGLISH                                                                                    \
    "January,February,March,April,May,June,July,August,September,October,November,December",       \
        "Jan,Feb,Mar,Apr,May,Jun,Jul,Aug,Sep,Oct,Nov,Dec",                                         \
        "Monday,Tuesday,Wednesday,Thursday,Friday,Saturday,Sunday", "Mon,Tue,Wed,Thu,Fri,Sat,Sun", \
        "AM,PM"

static const struct qri_culture cultures[] = {
    {"en-US", '.', ',', QR_MDY, "$", "$n", "($n)", "n%", "M/d/yyyy", "dddd, MMMM d, yyyy",
     "h:mm tt", "h:mm:ss tt", "MMMM d", "MMMM yyyy", ENGLISH},
    {"en-GB", '.', ',', QR_DMY, "\xC2\xA3", "$n", "-$n", "n%", "dd/MM/yyyy", "dd MMMM yyyy",
     "HH:mm", "HH:mm:ss", "d MMMM", "MMMM yyyy", ENGLISH},
    {"en-CA", '.', ',', QR_YMD, "$", "$n", "-$n", "n%", "yyyy-MM-dd", "MMMM d, yyyy", "h:mm tt",
     "h:mm:ss tt", "MMMM d", "MMMM yyyy", ENGLISH},
    {"en-AU", '.', ',', QR_DMY, "$", "$n", "-$n", "n%", "d/MM/yyyy", "dddd, d MMMM yyyy", "h:mm tt",
     "h:mm:ss tt", "d MMMM", "MMMM yyyy", ENGLISH},
    {"", '.', ',', QR_MDY, "\xC2\xA4", "$n", "($n)", "n %", "MM/dd/yyyy", "dddd, dd MMMM yyyy",
     "HH:mm", "HH:mm:ss", "MMMM dd", "yyyy MMMM", ENGLISH},
    {"de-DE", ',', '.', QR_DMY, "\xE2\x82\xAC", "n $", "-n $", "n %", "dd.MM.yyyy",
     "dddd, d. MMMM yyyy", "HH:mm", "HH:mm:ss", "d. MMMM", "MMMM yyyy",
     "Januar,Februar,März,April,Mai,Juni,Juli,August,September,Oktober,November,Dezember",
     "Jan,Feb,Mrz,Apr,Mai,Jun,Jul,Aug,Sep,Okt,Nov,Dez",
     "Montag,Dienstag,Mittwoch,Donnerstag,Freitag,Samstag,Sonntag", "Mo,Di,Mi,Do,Fr,Sa,So", ""},
    {"fr-FR", ',', ' ', QR_DMY, "\xE2\x82\xAC", "n $", "-n $", "n %", "dd/MM/yyyy",
     "dddd d MMMM yyyy", "HH:mm", "HH:mm:ss", "d MMMM", "MMMM yyyy",
     "janvier,février,mars,avril,mai,juin,juillet,août,septembre,octobre,novembre,décembre",
     "janv.,févr.,mars,avr.,mai,juin,juil.,août,sept.,oct.,nov.,déc.",
     "lundi,mardi,mercredi,jeudi,vendredi,samedi,dimanche", "lun.,mar.,mer.,jeu.,ven.,sam.,dim.",
     ""},
    {"es-ES", ',', '.', QR_DMY, "\xE2\x82\xAC", "n $", "-n $", "n %", "dd/MM/yyyy",
     "dddd, d 'de' MMMM 'de' yyyy", "H:mm", "H:mm:ss", "d 'de' MMMM", "MMMM 'de' yyyy",
     "enero,febrero,marzo,abril,mayo,junio,julio,agosto,septiembre,octubre,noviembre,diciembre",
     "ene.,feb.,mar.,abr.,may.,jun.,jul.,ago.,sep.,oct.,nov.,dic.",
     "lunes,martes,miércoles,jueves,viernes,sábado,domingo", "lu.,ma.,mi.,ju.,vi.,sá.,do.", ""},
    {"it-IT", ',', '.', QR_DMY, "\xE2\x82\xAC", "n $", "-n $", "n%", "dd/MM/yyyy",
     "dddd d MMMM yyyy", "HH:mm", "HH:mm:ss", "d MMMM", "MMMM yyyy",
     "gennaio,febbraio,marzo,aprile,maggio,giugno,luglio,agosto,settembre,ottobre,novembre,"
     "dicembre",
     "gen,feb,mar,apr,mag,giu,lug,ago,set,ott,nov,dic",
     "lunedì,martedì,mercoledì,giovedì,venerdì,sabato,domenica", "lun,mar,mer,gio,ven,sab,dom", ""},
    {"ja-JP", '.', ',', QR_YMD, "\xC2\xA5", "$n", "-$n", "n%", "yyyy/MM/dd", "yyyy'年'M'月'd'日'",
     "H:mm", "H:mm:ss", "M'月'd'日'", "yyyy'年'M'月'",
     "1月,2月,3月,4月,5月,6月,7月,8月,9月,10月,11月,12月", "1,2,3,4,5,6,7,8,9,10,11,12",
     "月曜日,火曜日,水曜日,木曜日,金曜日,土曜日,日曜日", "月,火,水,木,金,土,日", "午前,午後"},
    {"zh-CN", '.', ',', QR_YMD, "\xC2\xA5", "$n", "$-n", "n%", "yyyy/M/d", "yyyy'年'M'月'd'日'",
     "H:mm", "H:mm:ss", "M'月'd'日'", "yyyy'年'M'月'",
     "一月,二月,三月,四月,五月,六月,七月,八月,九月,十月,十一月,十二月",
     "1月,2月,3月,4月,5月,6月,7月,8月,9月,10月,11月,12月",
     "星期一,星期二,星期三,星期四,星期五,星期六,星期日", "周一,周二,周三,周四,周五,周六,周日",
     "上午,下午"},
    {"pt-BR", ',', '.', QR_DMY, "R$", "$n", "-$n", "n%", "dd/MM/yyyy",
     "dddd, d 'de' MMMM 'de' yyyy", "HH:mm", "HH:mm:ss", "d 'de' MMMM", "MMMM 'de' yyyy",
     "janeiro,fevereiro,março,abril,maio,junho,julho,agosto,setembro,outubro,novembro,dezembro",
     "jan,fev,mar,abr,mai,jun,jul,ago,set,out,nov,dez",
     "segunda-feira,terça-feira,quarta-feira,quinta-feira,sexta-feira,sábado,domingo",
     "seg,ter,qua,qui,sex,sáb,dom", ""},
};

const struct qri_culture *qri_culture_find(struct qr_str name)
{
    for (size_t i = 0; i < sizeof cultures / sizeof cultures[0]; i++)
        if (qr_str_ieqz(name, cultures[i].name))
            return &cultures[i];
    return NULL;
}
