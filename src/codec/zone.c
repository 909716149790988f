/* Offsets and time zones: codec/datetime.h.
 *
 * The Windows zones with the rules now in force; the rule of the United States before 2007 is kept
 * because so much stored data is older. */
#include "codec/datetime.h"

#include "base/banned.h"

#define MINUTE_TICKS (60 * QR_TICKS_PER_SECOND)

bool qr_offset_parse(struct qr_str text, int *ret_minutes)
{
    struct qr_str s = qr_str_trim(text);
    if (s.n != 6 || (s.p[0] != '+' && s.p[0] != '-') || s.p[3] != ':')
        return false;
    for (int i = 1; i < 6; i++)
        if (i != 3 && (s.p[i] < '0' || s.p[i] > '9'))
            return false;
    int hours = (s.p[1] - '0') * 10 + s.p[2] - '0', minutes = (s.p[4] - '0') * 10 + s.p[5] - '0';
    if (minutes > 59 || hours * 60 + minutes > QR_OFFSET_MINUTES_MAX)
        return false;
    *ret_minutes = (s.p[0] == '-' ? -1 : 1) * (hours * 60 + minutes);
    return true;
}

enum qr_dt qr_switch_offset(qr_i128 dto, int offset_minutes, qr_i128 *ret_dto)
{
    int64_t local = qr_dto_ticks(dto) + offset_minutes * MINUTE_TICKS;
    if (local < 0 || local / QR_TICKS_PER_DAY > QR_DAYS_MAX)
        return QR_DT_RANGE;
    *ret_dto = qr_dto_pack(qr_dto_ticks(dto), offset_minutes);
    return QR_DT_OK;
}

enum qr_dt qr_to_offset(const struct qr_moment *m, int offset_minutes, qr_i128 *ret_dto)
{
    int64_t utc = m->days * QR_TICKS_PER_DAY + m->ticks - offset_minutes * MINUTE_TICKS;
    if (utc < 0 || utc / QR_TICKS_PER_DAY > QR_DAYS_MAX)
        return QR_DT_RANGE;
    *ret_dto = qr_dto_pack(utc, offset_minutes);
    return QR_DT_OK;
}

/* --- zones --- */

enum rule_name { NO_RULE, EU, US, AU, NZ, CHILE, ISRAEL, EGYPT, LEBANON, CUBA, LORD_HOWE };

/* The n-th Sunday of a month (5: the last), some days from it, at an hour of local standard time;
 * EU: of UTC. */
struct turn {
    int month, sunday, hour, days;
};
static const struct rule {
    struct turn on, off;
    bool utc;
    int minutes; /* how far the clock moves */
} rules[] = {
    [NO_RULE] = {{0, 0, 0, 0}, {0, 0, 0, 0}, false, 60},
    [EU] = {{3, 5, 1, 0}, {10, 5, 1, 0}, true, 60},
    [US] = {{3, 2, 2, 0}, {11, 1, 1, 0}, false, 60},
    [AU] = {{10, 1, 2, 0}, {4, 1, 2, 0}, false, 60},
    [NZ] = {{9, 5, 2, 0}, {4, 1, 2, 0}, false, 60},
    [CHILE] = {{9, 1, 0, 0}, {4, 1, -1, 0}, false, 60},
    [ISRAEL] = {{3, 5, 2, -2}, {10, 5, 1, 0}, false, 60}, /* the Friday before the last Sunday */
    [EGYPT] = {{4, 5, 0, -2}, {10, 5, 23, -3}, false, 60},
    [LEBANON] = {{3, 5, 0, 0}, {10, 5, -1, 0}, false, 60},
    [LORD_HOWE] = {{10, 1, 2, 0}, {4, 1, 1, 0}, false, 30},
    [CUBA] = {{3, 2, 0, 0}, {11, 1, 0, 0}, false, 60},
};
static const struct rule us_before_2007 = {{4, 1, 2, 0}, {10, 5, 1, 0}, false, 60};

static const struct zone {
    const char *name;
    int minutes;
    enum rule_name rule;
} zones[] = {
    {"Dateline Standard Time", -720, NO_RULE},
    {"UTC-11", -660, NO_RULE},
    {"Aleutian Standard Time", -600, US},
    {"Hawaiian Standard Time", -600, NO_RULE},
    {"Marquesas Standard Time", -570, NO_RULE},
    {"Alaskan Standard Time", -540, US},
    {"UTC-09", -540, NO_RULE},
    {"Pacific Standard Time", -480, US},
    {"Pacific Standard Time (Mexico)", -480, US},
    {"UTC-08", -480, NO_RULE},
    {"Mountain Standard Time", -420, US},
    {"Mountain Standard Time (Mexico)", -420, NO_RULE},
    {"US Mountain Standard Time", -420, NO_RULE},
    {"Yukon Standard Time", -420, NO_RULE},
    {"Canada Central Standard Time", -360, NO_RULE},
    {"Central America Standard Time", -360, NO_RULE},
    {"Central Standard Time", -360, US},
    {"Central Standard Time (Mexico)", -360, NO_RULE},
    {"Easter Island Standard Time", -360, CHILE},
    {"Cuba Standard Time", -300, CUBA},
    {"Eastern Standard Time", -300, US},
    {"Eastern Standard Time (Mexico)", -300, NO_RULE},
    {"Haiti Standard Time", -300, US},
    {"SA Pacific Standard Time", -300, NO_RULE},
    {"Turks And Caicos Standard Time", -300, US},
    {"US Eastern Standard Time", -300, US},
    {"Atlantic Standard Time", -240, US},
    {"Central Brazilian Standard Time", -240, NO_RULE},
    {"Pacific SA Standard Time", -240, CHILE},
    {"SA Western Standard Time", -240, NO_RULE},
    {"Venezuela Standard Time", -240, NO_RULE},
    {"Newfoundland Standard Time", -210, US},
    {"Argentina Standard Time", -180, NO_RULE},
    {"Bahia Standard Time", -180, NO_RULE},
    {"E. South America Standard Time", -180, NO_RULE},
    {"Magallanes Standard Time", -180, NO_RULE},
    {"Montevideo Standard Time", -180, NO_RULE},
    {"Paraguay Standard Time", -180, NO_RULE},
    {"SA Eastern Standard Time", -180, NO_RULE},
    {"Saint Pierre Standard Time", -180, US},
    {"Tocantins Standard Time", -180, NO_RULE},
    {"Greenland Standard Time", -120, EU},
    {"Mid-Atlantic Standard Time", -120, NO_RULE},
    {"UTC-02", -120, NO_RULE},
    {"Azores Standard Time", -60, EU},
    {"Cape Verde Standard Time", -60, NO_RULE},
    {"GMT Standard Time", 0, EU},
    {"Greenwich Standard Time", 0, NO_RULE},
    {"Sao Tome Standard Time", 0, NO_RULE},
    {"UTC", 0, NO_RULE},
    {"Central Europe Standard Time", 60, EU},
    {"Central European Standard Time", 60, EU},
    {"Morocco Standard Time", 60, NO_RULE},
    {"Romance Standard Time", 60, EU},
    {"W. Central Africa Standard Time", 60, NO_RULE},
    {"W. Europe Standard Time", 60, EU},
    {"E. Europe Standard Time", 120, EU},
    {"Egypt Standard Time", 120, EGYPT},
    {"FLE Standard Time", 120, EU},
    {"GTB Standard Time", 120, EU},
    {"Israel Standard Time", 120, ISRAEL},
    {"Kaliningrad Standard Time", 120, NO_RULE},
    {"Libya Standard Time", 120, NO_RULE},
    {"Middle East Standard Time", 120, LEBANON},
    {"Namibia Standard Time", 120, NO_RULE},
    {"South Africa Standard Time", 120, NO_RULE},
    {"South Sudan Standard Time", 120, NO_RULE},
    {"Sudan Standard Time", 120, NO_RULE},
    {"West Bank Standard Time", 120, EU},
    {"Arab Standard Time", 180, NO_RULE},
    {"Arabic Standard Time", 180, NO_RULE},
    {"Belarus Standard Time", 180, NO_RULE},
    {"E. Africa Standard Time", 180, NO_RULE},
    {"Jordan Standard Time", 180, NO_RULE},
    {"Russian Standard Time", 180, NO_RULE},
    {"Syria Standard Time", 180, NO_RULE},
    {"Turkey Standard Time", 180, NO_RULE},
    {"Volgograd Standard Time", 180, NO_RULE},
    {"Iran Standard Time", 210, NO_RULE},
    {"Arabian Standard Time", 240, NO_RULE},
    {"Astrakhan Standard Time", 240, NO_RULE},
    {"Azerbaijan Standard Time", 240, NO_RULE},
    {"Caucasus Standard Time", 240, NO_RULE},
    {"Georgian Standard Time", 240, NO_RULE},
    {"Mauritius Standard Time", 240, NO_RULE},
    {"Russia Time Zone 3", 240, NO_RULE},
    {"Saratov Standard Time", 240, NO_RULE},
    {"Afghanistan Standard Time", 270, NO_RULE},
    {"Ekaterinburg Standard Time", 300, NO_RULE},
    {"Pakistan Standard Time", 300, NO_RULE},
    {"Qyzylorda Standard Time", 300, NO_RULE},
    {"West Asia Standard Time", 300, NO_RULE},
    {"India Standard Time", 330, NO_RULE},
    {"Sri Lanka Standard Time", 330, NO_RULE},
    {"Nepal Standard Time", 345, NO_RULE},
    {"Bangladesh Standard Time", 360, NO_RULE},
    {"Central Asia Standard Time", 360, NO_RULE},
    {"Omsk Standard Time", 360, NO_RULE},
    {"Myanmar Standard Time", 390, NO_RULE},
    {"Altai Standard Time", 420, NO_RULE},
    {"N. Central Asia Standard Time", 420, NO_RULE},
    {"North Asia Standard Time", 420, NO_RULE},
    {"SE Asia Standard Time", 420, NO_RULE},
    {"Tomsk Standard Time", 420, NO_RULE},
    {"W. Mongolia Standard Time", 420, NO_RULE},
    {"China Standard Time", 480, NO_RULE},
    {"North Asia East Standard Time", 480, NO_RULE},
    {"Singapore Standard Time", 480, NO_RULE},
    {"Taipei Standard Time", 480, NO_RULE},
    {"Ulaanbaatar Standard Time", 480, NO_RULE},
    {"W. Australia Standard Time", 480, NO_RULE},
    {"Aus Central W. Standard Time", 525, NO_RULE},
    {"Korea Standard Time", 540, NO_RULE},
    {"North Korea Standard Time", 540, NO_RULE},
    {"Tokyo Standard Time", 540, NO_RULE},
    {"Transbaikal Standard Time", 540, NO_RULE},
    {"Yakutsk Standard Time", 540, NO_RULE},
    {"AUS Central Standard Time", 570, NO_RULE},
    {"Cen. Australia Standard Time", 570, AU},
    {"AUS Eastern Standard Time", 600, AU},
    {"E. Australia Standard Time", 600, NO_RULE},
    {"Tasmania Standard Time", 600, AU},
    {"Vladivostok Standard Time", 600, NO_RULE},
    {"West Pacific Standard Time", 600, NO_RULE},
    {"Lord Howe Standard Time", 630, LORD_HOWE},
    {"Bougainville Standard Time", 660, NO_RULE},
    {"Central Pacific Standard Time", 660, NO_RULE},
    {"Magadan Standard Time", 660, NO_RULE},
    {"Norfolk Standard Time", 660, AU},
    {"Russia Time Zone 10", 660, NO_RULE},
    {"Sakhalin Standard Time", 660, NO_RULE},
    {"Fiji Standard Time", 720, NO_RULE},
    {"Kamchatka Standard Time", 720, NO_RULE},
    {"New Zealand Standard Time", 720, NZ},
    {"Russia Time Zone 11", 720, NO_RULE},
    {"UTC+12", 720, NO_RULE},
    {"Chatham Islands Standard Time", 765, NZ},
    {"Samoa Standard Time", 780, NO_RULE},
    {"Tonga Standard Time", 780, NO_RULE},
    {"UTC+13", 780, NO_RULE},
    {"Line Islands Standard Time", 840, NO_RULE},
};
enum { ZONE_COUNT = sizeof zones / sizeof zones[0] };

int qr_zone_find(struct qr_str name)
{
    for (int i = 0; i < ZONE_COUNT; i++)
        if (qr_str_ieqz(name, zones[i].name))
            return i;
    return -1;
}

const char *qr_zone_name(int zone)
{
    return zone < 0 || zone >= ZONE_COUNT ? NULL : zones[zone].name;
}

/* The turn's instant in standard time of the zone. */
static int64_t turn_ticks(const struct zone *z, const struct turn *t, bool utc, int year)
{
    int32_t days;
    if (t->sunday == 5) {
        days = qr_days_from_ymd(year, t->month, qr_month_days(year, t->month));
        days -= (days + 1) % 7; /* 0001-01-01 was a Monday */
    } else {
        days = qr_days_from_ymd(year, t->month, 1);
        days += (6 - days % 7) + 7 * (t->sunday - 1);
    }
    return (days + t->days) * QR_TICKS_PER_DAY + t->hour * 60 * MINUTE_TICKS +
           (utc ? z->minutes * MINUTE_TICKS : 0);
}

/* At a time given as the zone's standard time. */
static bool in_summer(const struct zone *z, int64_t standard_ticks)
{
    if (z->rule == NO_RULE || standard_ticks < 0 || standard_ticks / QR_TICKS_PER_DAY > QR_DAYS_MAX)
        return false;
    int year, month, day;
    qr_ymd_from_days((int32_t)(standard_ticks / QR_TICKS_PER_DAY), &year, &month, &day);
    const struct rule *r = &rules[z->rule];
    if (z->rule == US && year < 2007)
        r = &us_before_2007;
    int64_t on = turn_ticks(z, &r->on, r->utc, year), off = turn_ticks(z, &r->off, r->utc, year);
    if (on < off)
        return standard_ticks >= on && standard_ticks < off;
    return standard_ticks >= on || standard_ticks < off; /* southern: over the new year */
}

int qr_zone_offset_utc(int zone, int64_t utc_ticks)
{
    const struct zone *z = &zones[zone];
    return z->minutes +
           (in_summer(z, utc_ticks + z->minutes * MINUTE_TICKS) ? rules[z->rule].minutes : 0);
}

int qr_zone_offset_local(int zone, int64_t local_ticks)
{
    const struct zone *z = &zones[zone];
    /* In the overlap both readings are possible and standard time wins; in the gap neither is, and
     * standard time moves the clock forward. */
    bool as_standard = in_summer(z, local_ticks);
    bool as_summer = in_summer(z, local_ticks - rules[z->rule].minutes * MINUTE_TICKS);
    return z->minutes + (as_standard && as_summer ? rules[z->rule].minutes : 0);
}
