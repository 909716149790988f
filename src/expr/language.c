/* language.c - see expr/language.h */
#include "expr/language.h"
#include <string.h>
#include "base/banned.h"

static const struct qr_language languages[] = {
    /* clang-format off */
    {0, "us_english", "English", QR_MDY, 7, 1033,
     "January,February,March,April,May,June,July,August,September,October,November,December",
     "Jan,Feb,Mar,Apr,May,Jun,Jul,Aug,Sep,Oct,Nov,Dec",
     "Monday,Tuesday,Wednesday,Thursday,Friday,Saturday,Sunday"},
    {1, "Deutsch", "German", QR_DMY, 1, 1031,
     "Januar,Februar,März,April,Mai,Juni,Juli,August,September,Oktober,November,Dezember",
     "Jan,Feb,Mär,Apr,Mai,Jun,Jul,Aug,Sep,Okt,Nov,Dez",
     "Montag,Dienstag,Mittwoch,Donnerstag,Freitag,Samstag,Sonntag"},
    {2, "Français", "French", QR_DMY, 1, 1036,
     "janvier,février,mars,avril,mai,juin,juillet,août,septembre,octobre,novembre,décembre",
     "janv,févr,mars,avr,mai,juin,juil,août,sept,oct,nov,déc",
     "lundi,mardi,mercredi,jeudi,vendredi,samedi,dimanche"},
    {3, "日本語", "Japanese", QR_YMD, 7, 1041,
     "01,02,03,04,05,06,07,08,09,10,11,12",
     "01,02,03,04,05,06,07,08,09,10,11,12",
     "月曜日,火曜日,水曜日,木曜日,金曜日,土曜日,日曜日"},
    {4, "Dansk", "Danish", QR_DMY, 1, 1030,
     "januar,februar,marts,april,maj,juni,juli,august,september,oktober,november,december",
     "jan,feb,mar,apr,maj,jun,jul,aug,sep,okt,nov,dec",
     "mandag,tirsdag,onsdag,torsdag,fredag,lørdag,søndag"},
    {5, "Español", "Spanish", QR_DMY, 1, 3082,
     "Enero,Febrero,Marzo,Abril,Mayo,Junio,Julio,Agosto,Septiembre,Octubre,Noviembre,Diciembre",
     "Ene,Feb,Mar,Abr,May,Jun,Jul,Ago,Sep,Oct,Nov,Dic",
     "Lunes,Martes,Miércoles,Jueves,Viernes,Sábado,Domingo"},
    {6, "Italiano", "Italian", QR_DMY, 1, 1040,
     "gennaio,febbraio,marzo,aprile,maggio,giugno,luglio,agosto,settembre,ottobre,novembre,dicembre",
     "gen,feb,mar,apr,mag,giu,lug,ago,set,ott,nov,dic",
     "lunedì,martedì,mercoledì,giovedì,venerdì,sabato,domenica"},
    {7, "Nederlands", "Dutch", QR_DMY, 1, 1043,
     "januari,februari,maart,april,mei,juni,juli,augustus,september,oktober,november,december",
     "jan,feb,mrt,apr,mei,jun,jul,aug,sep,okt,nov,dec",
     "maandag,dinsdag,woensdag,donderdag,vrijdag,zaterdag,zondag"},
    {8, "Norsk", "Norwegian", QR_DMY, 1, 2068,
     "januar,februar,mars,april,mai,juni,juli,august,september,oktober,november,desember",
     "jan,feb,mar,apr,mai,jun,jul,aug,sep,okt,nov,des",
     "mandag,tirsdag,onsdag,torsdag,fredag,lørdag,søndag"},
    {9, "Português", "Portuguese", QR_DMY, 7, 2070,
     "janeiro,fevereiro,março,abril,maio,junho,julho,agosto,setembro,outubro,novembro,dezembro",
     "jan,fev,mar,abr,mai,jun,jul,ago,set,out,nov,dez",
     "segunda-feira,terça-feira,quarta-feira,quinta-feira,sexta-feira,sábado,domingo"},
    {10, "Suomi", "Finnish", QR_DMY, 1, 1035,
     "tammikuuta,helmikuuta,maaliskuuta,huhtikuuta,toukokuuta,kesäkuuta,heinäkuuta,elokuuta,syyskuuta,lokakuuta,marraskuuta,joulukuuta",
     "tammi,helmi,maalis,huhti,touko,kesä,heinä,elo,syys,loka,marras,joulu",
     "maanantai,tiistai,keskiviikko,torstai,perjantai,lauantai,sunnuntai"},
    {11, "Svenska", "Swedish", QR_YMD, 1, 1053,
     "januari,februari,mars,april,maj,juni,juli,augusti,september,oktober,november,december",
     "jan,feb,mar,apr,maj,jun,jul,aug,sep,okt,nov,dec",
     "måndag,tisdag,onsdag,torsdag,fredag,lördag,söndag"},
    {23, "British", "British English", QR_DMY, 1, 2057,
     "January,February,March,April,May,June,July,August,September,October,November,December",
     "Jan,Feb,Mar,Apr,May,Jun,Jul,Aug,Sep,Oct,Nov,Dec",
     "Monday,Tuesday,Wednesday,Thursday,Friday,Saturday,Sunday"},
    {27, "Português (Brasil)", "Brazilian", QR_DMY, 7, 1046,
     "Janeiro,Fevereiro,Março,Abril,Maio,Junho,Julho,Agosto,Setembro,Outubro,Novembro,Dezembro",
     "Jan,Fev,Mar,Abr,Mai,Jun,Jul,Ago,Set,Out,Nov,Dez",
     "Segunda-Feira,Terça-Feira,Quarta-Feira,Quinta-Feira,Sexta-Feira,Sábado,Domingo"},
    /* clang-format on */
};
enum { LANGUAGES = sizeof languages / sizeof languages[0] };

const struct qr_language *qr_language_find(struct qr_str name)
{
    for (size_t i = 0; i < LANGUAGES; i++)
        if (qr_str_ieqz(name, languages[i].name) || qr_str_ieqz(name, languages[i].alias))
            return &languages[i];
    return NULL;
}

const struct qr_language *qr_language_by_id(int id)
{
    for (size_t i = 0; i < LANGUAGES; i++)
        if (languages[i].id == id)
            return &languages[i];
    return NULL;
}

const struct qr_language *qr_language_at(size_t index)
{
    return index < LANGUAGES ? &languages[index] : NULL;
}

struct qr_str qr_language_name(const char *list, int index)
{
    for (; index > 0 && *list != '\0'; index--) {
        list += strcspn(list, ",");
        list += *list == ',';
    }
    return qr_str_n(list, strcspn(list, ","));
}
