// SPDX-License-Identifier: GPL-2.0
/*
 * Sizes, dates, uuids and bit sets as the reference listings print them.
 */
#include "engine/sb/text_internal.h"

#include <linux/kernel.h>
#include <linux/math64.h>

void text_size(struct text_buf *out, u64 bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	unsigned int unit = 0, digits = 2;
	u64 whole = bytes, rest = 0;	/* rest: 1/1024ths of the unit */
	u32 cents;

	while (whole >= 1024) {
		rest = whole & 1023;
		whole >>= 10;
		unit++;
	}
	if (!whole) {
		bce_text_printf(out, "0 B");
		return;
	}
	if (whole >= 10)
		digits = 1;
	if (whole >= 100)
		digits = 0;

	/* round to the digits that will be shown */
	cents = (u32)rest * 100;
	cents += digits == 2 ? 512 : digits == 1 ? 5120 : 51200;
	cents >>= 10;
	if (cents >= 100) {
		cents -= 100;
		whole++;
	}
	if (digits == 2)
		bce_text_printf(out, "%llu.%02u %s", (unsigned long long)whole, cents, units[unit]);
	else if (digits == 1)
		bce_text_printf(out, "%llu.%u %s", (unsigned long long)whole, cents / 10,
				units[unit]);
	else
		bce_text_printf(out, "%llu %s", (unsigned long long)whole, units[unit]);
}

/*
 * Days since 1970 to a date. Years are counted from March, so that the leap day is the
 * last of its year, in eras of 400 years (146097 days).
 */
static void civil_date(s64 days, s64 *year, unsigned int *month, unsigned int *day)
{
	s64 z = days + 719468, era;
	unsigned int doe, yoe, doy, mp;

	era = div_s64(z >= 0 ? z : z - 146096, 146097);
	doe = z - era * 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	*day = doy - (153 * mp + 2) / 5 + 1;
	*month = mp < 10 ? mp + 3 : mp - 9;
	*year = (s64)yoe + era * 400 + (*month <= 2);
}

void text_date(struct text_buf *out, s64 seconds)
{
	static const char days_of_week[] = "ThuFriSatSunMonTueWed";	/* 1970 began on a Thursday */
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	const s64 limit = 1LL << 52;	/* far beyond any date; keeps the arithmetic in range */
	unsigned int month, day;
	s64 days, year;
	s32 in_day, weekday;

	if (seconds > limit || seconds < -limit) {
		bce_text_printf(out, "%lld s", (long long)seconds);
		return;
	}
	days = div_s64_rem(seconds, 86400, &in_day);
	if (in_day < 0) {
		in_day += 86400;
		days--;
	}
	div_s64_rem(days, 7, &weekday);
	if (weekday < 0)
		weekday += 7;
	civil_date(days, &year, &month, &day);
	bce_text_printf(out, "%.3s %.3s %2u %02d:%02d:%02d %lld", days_of_week + 3 * weekday,
			months + 3 * (month - 1), day, in_day / 3600, in_day / 60 % 60,
			in_day % 60, (long long)year);
}

void text_uuid(struct text_buf *out, const u8 uuid[16])
{
	unsigned int i;

	for (i = 0; i < 16; i++)
		bce_text_printf(out, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
				uuid[i]);
}

void text_bits(struct text_buf *out, u64 bits, const char *const *names, unsigned int nr_names)
{
	const char *comma = "";
	unsigned int bit;

	for (bit = 0; bit < 64; bit++) {
		if (!(bits >> bit & 1))
			continue;
		if (bit < nr_names && names[bit])
			bce_text_printf(out, "%s%s", comma, names[bit]);
		else
			bce_text_printf(out, "%sbit %u", comma, bit);
		comma = ",";
	}
}

void text_pad(struct text_buf *out, size_t line_start, unsigned int column)
{
	do
		bce_text_putc(out, ' ');
	while (!out->failed && out->len - line_start < column);
}
