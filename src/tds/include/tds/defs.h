/* tds/defs.h - the numbers of [MS-TDS] that more than one file needs. Pure.
 *
 * Versions are an ordered enum of our own, because the numbers on the wire are not ordered. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* Packet header Type ([MS-TDS] 2.2.3.1.1). */
enum qr_tds_packet_type {
    QR_TDS_PACKET_BATCH = 0x01,
    QR_TDS_PACKET_OLD_LOGIN = 0x02,
    QR_TDS_PACKET_RPC = 0x03,
    QR_TDS_PACKET_REPLY = 0x04,
    QR_TDS_PACKET_ATTENTION = 0x06,
    QR_TDS_PACKET_BULK = 0x07,
    QR_TDS_PACKET_FEDAUTH_TOKEN = 0x08,
    QR_TDS_PACKET_TRANSACTION = 0x0E,
    QR_TDS_PACKET_LOGIN7 = 0x10,
    QR_TDS_PACKET_SSPI = 0x11,
    QR_TDS_PACKET_PRELOGIN = 0x12,
};

/* Packet header Status bits (2.2.3.1.2). */
enum {
    QR_TDS_STATUS_EOM = 0x01,
    QR_TDS_STATUS_IGNORE = 0x02,
    QR_TDS_STATUS_RESET = 0x08,
    QR_TDS_STATUS_RESET_SKIP_TRAN = 0x10,
};

enum {
    QR_TDS_HEADER_BYTES = 8,
    QR_TDS_PACKET_BYTES_MIN = 512,
    QR_TDS_PACKET_BYTES_DEFAULT = 4096,
    QR_TDS_PACKET_BYTES_MAX = 32767,
    QR_TDS_LOGIN_BYTES_MAX = 131072, /* 2.2.6.4: a LOGIN7 message is at most 128K - 1 */
};

enum qr_tds_version {
    QR_TDS_VERSION_NONE, /* older than 7.1: refused */
    QR_TDS_VERSION_71,   /* SQL Server 2000 */
    QR_TDS_VERSION_72,   /* 2005: MAX types, xml, 64-bit counts, ALL_HEADERS */
    QR_TDS_VERSION_73A,  /* 2008: date, time, datetime2, datetimeoffset, TVP */
    QR_TDS_VERSION_73B,  /* 2008 R2: NBCROW */
    QR_TDS_VERSION_74,   /* 2012 and later: feature extensions */
};

/* The TDSVersion field of LOGIN7 to the version both sides speak; newer ones fall back to 7.4. */
enum qr_tds_version qr_tds_version_from_wire(uint32_t wire);
/* The number for LOGINACK, which sends it big-endian. */
uint32_t qr_tds_version_to_wire(enum qr_tds_version version);
const char *qr_tds_version_name(enum qr_tds_version version); /* "7.3B" */

static inline bool qr_tds_has_max_types(enum qr_tds_version version)
{
    return version >= QR_TDS_VERSION_72;
}
static inline bool qr_tds_has_date_types(enum qr_tds_version version)
{
    return version >= QR_TDS_VERSION_73A;
}

/* TYPE_INFO tokens (2.2.5.4). */
enum qr_tds_type {
    QR_TDS_NULL = 0x1F,
    QR_TDS_IMAGE = 0x22,
    QR_TDS_TEXT = 0x23,
    QR_TDS_GUID = 0x24,
    QR_TDS_OLD_VARBINARY = 0x25,
    QR_TDS_INTN = 0x26,
    QR_TDS_OLD_VARCHAR = 0x27,
    QR_TDS_DATE = 0x28,
    QR_TDS_TIME = 0x29,
    QR_TDS_DATETIME2 = 0x2A,
    QR_TDS_DATETIMEOFFSET = 0x2B,
    QR_TDS_OLD_BINARY = 0x2D,
    QR_TDS_OLD_CHAR = 0x2F,
    QR_TDS_INT1 = 0x30,
    QR_TDS_BIT = 0x32,
    QR_TDS_INT2 = 0x34,
    QR_TDS_OLD_DECIMAL = 0x37,
    QR_TDS_INT4 = 0x38,
    QR_TDS_DATETIM4 = 0x3A,
    QR_TDS_FLT4 = 0x3B,
    QR_TDS_MONEY = 0x3C,
    QR_TDS_DATETIME = 0x3D,
    QR_TDS_FLT8 = 0x3E,
    QR_TDS_OLD_NUMERIC = 0x3F,
    QR_TDS_VARIANT = 0x62,
    QR_TDS_NTEXT = 0x63,
    QR_TDS_BITN = 0x68,
    QR_TDS_DECIMALN = 0x6A,
    QR_TDS_NUMERICN = 0x6C,
    QR_TDS_FLTN = 0x6D,
    QR_TDS_MONEYN = 0x6E,
    QR_TDS_DATETIMN = 0x6F,
    QR_TDS_MONEY4 = 0x7A,
    QR_TDS_INT8 = 0x7F,
    QR_TDS_BIGVARBINARY = 0xA5,
    QR_TDS_BIGVARCHAR = 0xA7,
    QR_TDS_BIGBINARY = 0xAD,
    QR_TDS_BIGCHAR = 0xAF,
    QR_TDS_NVARCHAR = 0xE7,
    QR_TDS_NCHAR = 0xEF,
    QR_TDS_UDT = 0xF0,
    QR_TDS_XML = 0xF1,
    QR_TDS_TVP = 0xF3,
};

/* Data stream tokens (2.2.4.2.1). */
enum qr_tds_token {
    QR_TDS_TOKEN_OFFSET = 0x78,
    QR_TDS_TOKEN_RETURNSTATUS = 0x79,
    QR_TDS_TOKEN_COLMETADATA = 0x81,
    QR_TDS_TOKEN_TABNAME = 0xA4,
    QR_TDS_TOKEN_COLINFO = 0xA5,
    QR_TDS_TOKEN_ORDER = 0xA9,
    QR_TDS_TOKEN_ERROR = 0xAA,
    QR_TDS_TOKEN_INFO = 0xAB,
    QR_TDS_TOKEN_RETURNVALUE = 0xAC,
    QR_TDS_TOKEN_LOGINACK = 0xAD,
    QR_TDS_TOKEN_FEATUREEXTACK = 0xAE,
    QR_TDS_TOKEN_ROW = 0xD1,
    QR_TDS_TOKEN_NBCROW = 0xD2,
    QR_TDS_TOKEN_ENVCHANGE = 0xE3,
    QR_TDS_TOKEN_DONE = 0xFD,
    QR_TDS_TOKEN_DONEPROC = 0xFE,
    QR_TDS_TOKEN_DONEINPROC = 0xFF,
};

enum { QR_TDS_PLP_CHUNK_BYTES_MAX = 32768 }; /* ours; the format allows 4 GiB chunks */
