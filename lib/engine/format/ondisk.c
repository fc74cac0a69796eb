// SPDX-License-Identifier: GPL-2.0
/*
 * Every on-disk structure has the size and offsets that the specification says,
 * or the build stops here. Order and names follow the specification; there is no
 * code.
 */
#include "engine/format/btree.h"
#include "engine/format/counters.h"
#include "engine/format/errors.h"
#include "engine/format/ids.h"
#include "engine/format/journal.h"
#include "engine/format/passes.h"
#include "engine/format/sb.h"
#include "engine/format/values.h"
#include "engine/format/version.h"

#define SIZE(type, bytes)		static_assert(sizeof(struct type) == (bytes))
#define OFFSET(type, field, bytes)	static_assert(offsetof(struct type, field) == (bytes))

/* ---- docs/format/50-btree.md, 1, 3, 4.1, 6: positions, keys, nodes ---- */

SIZE(bpos_le, 20);
OFFSET(bpos_le, snapshot, 0);
OFFSET(bpos_le, offset, 4);
OFFSET(bpos_le, inode, 12);

SIZE(disk_key, 4);
OFFSET(disk_key, u64s, 0);
OFFSET(disk_key, format, 1);
OFFSET(disk_key, type, 2);
OFFSET(disk_key, pad_or_data, 3);

SIZE(disk_bkey, 40);
OFFSET(disk_bkey, u64s, 0);
OFFSET(disk_bkey, format, 1);
OFFSET(disk_bkey, type, 2);
OFFSET(disk_bkey, pad, 3);
OFFSET(disk_bkey, version_lo, 4);
OFFSET(disk_bkey, version_hi, 12);
OFFSET(disk_bkey, size, 16);
OFFSET(disk_bkey, p, 20);

SIZE(bkey_format_le, 56);
OFFSET(bkey_format_le, key_u64s, 0);
OFFSET(bkey_format_le, nr_fields, 1);
OFFSET(bkey_format_le, bits_per_field, 2);
OFFSET(bkey_format_le, field_offset, 8);

SIZE(bset, 24);
OFFSET(bset, seq, 0);
OFFSET(bset, journal_seq, 8);
OFFSET(bset, flags, 16);
OFFSET(bset, version, 20);
OFFSET(bset, u64s, 22);
OFFSET(bset, keys, 24);

SIZE(btree_node_disk, 160);
OFFSET(btree_node_disk, csum, 0);
OFFSET(btree_node_disk, magic, 16);
OFFSET(btree_node_disk, flags, 24);
OFFSET(btree_node_disk, min_key, 32);
OFFSET(btree_node_disk, max_key, 52);
OFFSET(btree_node_disk, _ptr, 72);
OFFSET(btree_node_disk, format, 80);
OFFSET(btree_node_disk, keys, 136);
OFFSET(btree_node_disk, keys.keys, 160);

SIZE(btree_node_entry, 40);
OFFSET(btree_node_entry, csum, 0);
OFFSET(btree_node_entry, keys, 16);
OFFSET(btree_node_entry, keys.keys, 40);

/* ---- docs/format/10-superblock.md: layout, header, sections ---- */

SIZE(bch_sb_layout, 512);
OFFSET(bch_sb_layout, magic, 0);
OFFSET(bch_sb_layout, layout_type, 16);
OFFSET(bch_sb_layout, sb_max_size_bits, 17);
OFFSET(bch_sb_layout, nr_superblocks, 18);
OFFSET(bch_sb_layout, pad, 19);
OFFSET(bch_sb_layout, sb_offset, 24);

SIZE(bch_sb, 752);
OFFSET(bch_sb, csum, 0);
OFFSET(bch_sb, version, 16);
OFFSET(bch_sb, version_min, 18);
OFFSET(bch_sb, pad, 20);
OFFSET(bch_sb, magic, 24);
OFFSET(bch_sb, uuid, 40);
OFFSET(bch_sb, user_uuid, 56);
OFFSET(bch_sb, label, 72);
OFFSET(bch_sb, offset, 104);
OFFSET(bch_sb, seq, 112);
OFFSET(bch_sb, block_size, 120);
OFFSET(bch_sb, dev_idx, 122);
OFFSET(bch_sb, nr_devices, 123);
OFFSET(bch_sb, u64s, 124);
OFFSET(bch_sb, time_base_lo, 128);
OFFSET(bch_sb, time_base_hi, 136);
OFFSET(bch_sb, time_precision, 140);
OFFSET(bch_sb, flags, 144);
OFFSET(bch_sb, write_time, 200);
OFFSET(bch_sb, features, 208);
OFFSET(bch_sb, compat, 224);
OFFSET(bch_sb, layout, 240);
OFFSET(bch_sb, sections, 752);

SIZE(bch_sb_field, 8);
OFFSET(bch_sb_field, u64s, 0);
OFFSET(bch_sb_field, type, 4);

SIZE(bch_sb_field_journal, 8);
OFFSET(bch_sb_field_journal, buckets, 8);

SIZE(bch_sb_field_members_v1, 8);
OFFSET(bch_sb_field_members_v1, members, 8);

SIZE(bch_sb_field_members_v2, 16);
OFFSET(bch_sb_field_members_v2, member_bytes, 8);
OFFSET(bch_sb_field_members_v2, pad, 10);
OFFSET(bch_sb_field_members_v2, members, 16);

SIZE(bch_member, 144);
OFFSET(bch_member, uuid, 0);
OFFSET(bch_member, nbuckets, 16);
OFFSET(bch_member, first_bucket, 24);
OFFSET(bch_member, bucket_size, 26);
OFFSET(bch_member, btree_bitmap_shift, 28);
OFFSET(bch_member, pad, 29);
OFFSET(bch_member, last_mount, 32);
OFFSET(bch_member, flags, 40);
OFFSET(bch_member, iops, 48);
OFFSET(bch_member, errors, 64);
OFFSET(bch_member, errors_at_reset, 88);
OFFSET(bch_member, errors_reset_time, 112);
OFFSET(bch_member, seq, 120);
OFFSET(bch_member, btree_allocated_bitmap, 128);
OFFSET(bch_member, last_journal_bucket, 136);
OFFSET(bch_member, last_journal_bucket_offset, 140);

SIZE(bch_key, 40);
OFFSET(bch_key, magic, 0);
OFFSET(bch_key, key, 8);

SIZE(bch_sb_field_crypt, 64);
OFFSET(bch_sb_field_crypt, flags, 8);
OFFSET(bch_sb_field_crypt, kdf_flags, 16);
OFFSET(bch_sb_field_crypt, key, 24);

SIZE(bch_replicas_entry_v0, 2);
OFFSET(bch_replicas_entry_v0, data_type, 0);
OFFSET(bch_replicas_entry_v0, nr_devs, 1);
OFFSET(bch_replicas_entry_v0, devs, 2);

SIZE(bch_replicas_entry_v1, 3);
OFFSET(bch_replicas_entry_v1, data_type, 0);
OFFSET(bch_replicas_entry_v1, nr_devs, 1);
OFFSET(bch_replicas_entry_v1, nr_required, 2);
OFFSET(bch_replicas_entry_v1, devs, 3);

SIZE(bch_sb_field_replicas_v0, 8);
OFFSET(bch_sb_field_replicas_v0, entries, 8);

SIZE(bch_sb_field_replicas, 8);
OFFSET(bch_sb_field_replicas, entries, 8);

SIZE(bch_sb_quota_type, 24);
OFFSET(bch_sb_quota_type, flags, 0);
OFFSET(bch_sb_quota_type, c, 8);

SIZE(bch_sb_field_quota, 80);
OFFSET(bch_sb_field_quota, q, 8);

SIZE(bch_disk_group, 48);
OFFSET(bch_disk_group, label, 0);
OFFSET(bch_disk_group, flags, 32);

SIZE(bch_sb_field_disk_groups, 8);
OFFSET(bch_sb_field_disk_groups, entries, 8);

SIZE(bch_sb_field_clean, 24);
OFFSET(bch_sb_field_clean, flags, 8);
OFFSET(bch_sb_field_clean, _read_clock, 12);
OFFSET(bch_sb_field_clean, _write_clock, 14);
OFFSET(bch_sb_field_clean, journal_seq, 16);
OFFSET(bch_sb_field_clean, entries, 24);

SIZE(bch_journal_seq_blacklist_entry, 16);
OFFSET(bch_journal_seq_blacklist_entry, start, 0);
OFFSET(bch_journal_seq_blacklist_entry, end, 8);

SIZE(bch_sb_field_journal_seq_blacklist, 8);
OFFSET(bch_sb_field_journal_seq_blacklist, entries, 8);

SIZE(bch_sb_journal_v2_entry, 16);
OFFSET(bch_sb_journal_v2_entry, start, 0);
OFFSET(bch_sb_journal_v2_entry, nr, 8);

SIZE(bch_sb_field_journal_v2, 8);
OFFSET(bch_sb_field_journal_v2, d, 8);

SIZE(bch_sb_field_counters, 8);
OFFSET(bch_sb_field_counters, d, 8);

SIZE(bch_sb_error_entry, 16);
OFFSET(bch_sb_error_entry, v, 0);
OFFSET(bch_sb_error_entry, last_error_time, 8);

SIZE(bch_sb_field_errors, 8);
OFFSET(bch_sb_field_errors, entries, 8);

SIZE(bch_sb_field_ext, 96);
OFFSET(bch_sb_field_ext, recovery_passes_required, 8);
OFFSET(bch_sb_field_ext, errors_silent, 24);
OFFSET(bch_sb_field_ext, btrees_lost_data, 88);

SIZE(bch_sb_field_downgrade_entry, 20);
OFFSET(bch_sb_field_downgrade_entry, version, 0);
OFFSET(bch_sb_field_downgrade_entry, recovery_passes, 2);
OFFSET(bch_sb_field_downgrade_entry, nr_errors, 18);
OFFSET(bch_sb_field_downgrade_entry, errors, 20);

SIZE(bch_sb_field_downgrade, 8);
OFFSET(bch_sb_field_downgrade, entries, 8);

/* ---- docs/format/30-journal.md, 2: entries ---- */

SIZE(jset, 56);
OFFSET(jset, csum, 0);
OFFSET(jset, magic, 16);
OFFSET(jset, seq, 24);
OFFSET(jset, version, 32);
OFFSET(jset, flags, 36);
OFFSET(jset, u64s, 40);
OFFSET(jset, _read_clock, 44);
OFFSET(jset, _write_clock, 46);
OFFSET(jset, last_seq, 48);
OFFSET(jset, entries, 56);

SIZE(jset_entry, 8);
OFFSET(jset_entry, u64s, 0);
OFFSET(jset_entry, btree_id, 2);
OFFSET(jset_entry, level, 3);
OFFSET(jset_entry, type, 4);
OFFSET(jset_entry, pad, 5);
OFFSET(jset_entry, payload, 8);

SIZE(jset_payload_blacklist, 8);
OFFSET(jset_payload_blacklist, seq, 0);

SIZE(jset_payload_blacklist_v2, 16);
OFFSET(jset_payload_blacklist_v2, start, 0);
OFFSET(jset_payload_blacklist_v2, end, 8);

SIZE(jset_payload_usage, 8);
OFFSET(jset_payload_usage, value, 0);

SIZE(jset_payload_data_usage, 11);
OFFSET(jset_payload_data_usage, value, 0);
OFFSET(jset_payload_data_usage, data_type, 8);
OFFSET(jset_payload_data_usage, nr_devs, 9);
OFFSET(jset_payload_data_usage, nr_required, 10);
OFFSET(jset_payload_data_usage, devs, 11);

SIZE(jset_payload_clock, 16);
OFFSET(jset_payload_clock, rw, 0);
OFFSET(jset_payload_clock, pad, 1);
OFFSET(jset_payload_clock, time, 8);

SIZE(jset_dev_usage_type, 24);
OFFSET(jset_dev_usage_type, buckets, 0);
OFFSET(jset_dev_usage_type, sectors, 8);
OFFSET(jset_dev_usage_type, fragmented, 16);

SIZE(jset_payload_dev_usage, 24);
OFFSET(jset_payload_dev_usage, dev, 0);
OFFSET(jset_payload_dev_usage, pad, 4);
OFFSET(jset_payload_dev_usage, unused, 8);
OFFSET(jset_payload_dev_usage, d, 24);

SIZE(jset_payload_datetime, 8);
OFFSET(jset_payload_datetime, seconds, 0);

/* ---- docs/format/55-key-types.md, 2: small values ---- */

SIZE(bch_cookie, 8);
OFFSET(bch_cookie, cookie, 0);

SIZE(bch_reservation, 8);
OFFSET(bch_reservation, generation, 0);
OFFSET(bch_reservation, nr_replicas, 4);
OFFSET(bch_reservation, pad, 5);

SIZE(bch_inode_generation, 8);
OFFSET(bch_inode_generation, bi_generation, 0);
OFFSET(bch_inode_generation, pad, 4);

SIZE(bch_lru, 8);
OFFSET(bch_lru, idx, 0);

/* ---- docs/format/60-filesystem-keys.md: inodes to logged operations ---- */

SIZE(bch_inode_v3, 48);
OFFSET(bch_inode_v3, bi_journal_seq, 0);
OFFSET(bch_inode_v3, bi_hash_seed, 8);
OFFSET(bch_inode_v3, bi_flags, 16);
OFFSET(bch_inode_v3, bi_sectors, 24);
OFFSET(bch_inode_v3, bi_size, 32);
OFFSET(bch_inode_v3, bi_version, 40);
OFFSET(bch_inode_v3, fields, 48);

SIZE(bch_inode, 14);
OFFSET(bch_inode, bi_hash_seed, 0);
OFFSET(bch_inode, bi_flags, 8);
OFFSET(bch_inode, bi_mode, 12);
OFFSET(bch_inode, fields, 14);

SIZE(bch_inode_v2, 26);
OFFSET(bch_inode_v2, bi_journal_seq, 0);
OFFSET(bch_inode_v2, bi_hash_seed, 8);
OFFSET(bch_inode_v2, bi_flags, 16);
OFFSET(bch_inode_v2, bi_mode, 24);
OFFSET(bch_inode_v2, fields, 26);

SIZE(bch_dirent, 9);
OFFSET(bch_dirent, d_inum, 0);
OFFSET(bch_dirent, d_child_subvol, 0);
OFFSET(bch_dirent, d_parent_subvol, 4);
OFFSET(bch_dirent, d_type, 8);
OFFSET(bch_dirent, d_name, 9);

SIZE(bch_xattr, 4);
OFFSET(bch_xattr, x_type, 0);
OFFSET(bch_xattr, x_name_len, 1);
OFFSET(bch_xattr, x_val_len, 2);
OFFSET(bch_xattr, x_name, 4);

SIZE(bch_acl_header, 4);
OFFSET(bch_acl_header, a_version, 0);

SIZE(bch_acl_entry_short, 4);
OFFSET(bch_acl_entry_short, e_tag, 0);
OFFSET(bch_acl_entry_short, e_perm, 2);

SIZE(bch_acl_entry, 8);
OFFSET(bch_acl_entry, e_tag, 0);
OFFSET(bch_acl_entry, e_perm, 2);
OFFSET(bch_acl_entry, e_id, 4);

SIZE(bch_reflink_p, 16);
OFFSET(bch_reflink_p, idx, 0);
OFFSET(bch_reflink_p, front_pad, 8);
OFFSET(bch_reflink_p, back_pad, 12);

SIZE(bch_subvolume, 40);
OFFSET(bch_subvolume, flags, 0);
OFFSET(bch_subvolume, snapshot, 4);
OFFSET(bch_subvolume, inode, 8);
OFFSET(bch_subvolume, creation_parent, 16);
OFFSET(bch_subvolume, fs_path_parent, 20);
OFFSET(bch_subvolume, otime, 24);

SIZE(bch_snapshot, 56);
OFFSET(bch_snapshot, flags, 0);
OFFSET(bch_snapshot, parent, 4);
OFFSET(bch_snapshot, children, 8);
OFFSET(bch_snapshot, subvol, 16);
OFFSET(bch_snapshot, tree, 20);
OFFSET(bch_snapshot, depth, 24);
OFFSET(bch_snapshot, skip, 28);
OFFSET(bch_snapshot, btime, 40);

SIZE(bch_snapshot_tree, 8);
OFFSET(bch_snapshot_tree, master_subvol, 0);
OFFSET(bch_snapshot_tree, root_snapshot, 4);

SIZE(bch_quota, 32);
OFFSET(bch_quota, c, 0);
OFFSET(bch_quota, c[1], 16);

SIZE(bch_logged_op_truncate, 24);
OFFSET(bch_logged_op_truncate, subvol, 0);
OFFSET(bch_logged_op_truncate, pad, 4);
OFFSET(bch_logged_op_truncate, inum, 8);
OFFSET(bch_logged_op_truncate, new_i_size, 16);

SIZE(bch_logged_op_finsert, 40);
OFFSET(bch_logged_op_finsert, state, 0);
OFFSET(bch_logged_op_finsert, pad, 1);
OFFSET(bch_logged_op_finsert, subvol, 4);
OFFSET(bch_logged_op_finsert, inum, 8);
OFFSET(bch_logged_op_finsert, dst_offset, 16);
OFFSET(bch_logged_op_finsert, src_offset, 24);
OFFSET(bch_logged_op_finsert, pos, 32);

/* ---- docs/format/70-extents.md, 1, 2: pointers ---- */

SIZE(bch_btree_ptr_v2, 40);
OFFSET(bch_btree_ptr_v2, mem_ptr, 0);
OFFSET(bch_btree_ptr_v2, seq, 8);
OFFSET(bch_btree_ptr_v2, sectors_written, 16);
OFFSET(bch_btree_ptr_v2, flags, 18);
OFFSET(bch_btree_ptr_v2, min_key, 20);
OFFSET(bch_btree_ptr_v2, ptrs, 40);

SIZE(bch_extent_ptr, 8);
OFFSET(bch_extent_ptr, word, 0);

SIZE(bch_extent_crc32, 8);
OFFSET(bch_extent_crc32, word, 0);

SIZE(bch_extent_crc64, 16);
OFFSET(bch_extent_crc64, word, 0);
OFFSET(bch_extent_crc64, csum_lo, 8);

SIZE(bch_extent_crc128, 24);
OFFSET(bch_extent_crc128, word, 0);
OFFSET(bch_extent_crc128, csum, 8);

SIZE(bch_extent_stripe_ptr, 8);
OFFSET(bch_extent_stripe_ptr, word, 0);

SIZE(bch_extent_rebalance, 8);
OFFSET(bch_extent_rebalance, word, 0);

SIZE(bch_reflink_v, 8);
OFFSET(bch_reflink_v, refcount, 0);
OFFSET(bch_reflink_v, entries, 8);

SIZE(bch_indirect_inline_data, 8);
OFFSET(bch_indirect_inline_data, refcount, 0);
OFFSET(bch_indirect_inline_data, data, 8);

/* ---- docs/format/75-allocation.md, 2, 5, 8: buckets, backpointers, stripes ---- */

SIZE(bch_alloc_v4, 64);
OFFSET(bch_alloc_v4, journal_seq, 0);
OFFSET(bch_alloc_v4, flags, 8);
OFFSET(bch_alloc_v4, gen, 12);
OFFSET(bch_alloc_v4, oldest_gen, 13);
OFFSET(bch_alloc_v4, data_type, 14);
OFFSET(bch_alloc_v4, stripe_redundancy, 15);
OFFSET(bch_alloc_v4, dirty_sectors, 16);
OFFSET(bch_alloc_v4, cached_sectors, 20);
OFFSET(bch_alloc_v4, io_time, 24);
OFFSET(bch_alloc_v4, stripe, 40);
OFFSET(bch_alloc_v4, nr_external_backpointers, 44);
OFFSET(bch_alloc_v4, fragmentation_lru, 48);
OFFSET(bch_alloc_v4, stripe_sectors, 56);
OFFSET(bch_alloc_v4, pad, 60);

SIZE(bch_alloc, 2);
OFFSET(bch_alloc, fields, 0);
OFFSET(bch_alloc, gen, 1);
OFFSET(bch_alloc, data, 2);

SIZE(bch_alloc_v2, 4);
OFFSET(bch_alloc_v2, nr_fields, 0);
OFFSET(bch_alloc_v2, gen, 1);
OFFSET(bch_alloc_v2, oldest_gen, 2);
OFFSET(bch_alloc_v2, data_type, 3);
OFFSET(bch_alloc_v2, data, 4);

SIZE(bch_alloc_v3, 16);
OFFSET(bch_alloc_v3, journal_seq, 0);
OFFSET(bch_alloc_v3, flags, 8);
OFFSET(bch_alloc_v3, nr_fields, 12);
OFFSET(bch_alloc_v3, gen, 13);
OFFSET(bch_alloc_v3, oldest_gen, 14);
OFFSET(bch_alloc_v3, data_type, 15);
OFFSET(bch_alloc_v3, data, 16);

SIZE(bch_bucket_gens, 256);
OFFSET(bch_bucket_gens, gens, 0);

SIZE(bch_backpointer, 32);
OFFSET(bch_backpointer, btree_id, 0);
OFFSET(bch_backpointer, level, 1);
OFFSET(bch_backpointer, data_type, 2);
OFFSET(bch_backpointer, bucket_offset, 3);
OFFSET(bch_backpointer, bucket_len, 8);
OFFSET(bch_backpointer, pos, 12);

SIZE(bch_stripe, 8);
OFFSET(bch_stripe, sectors, 0);
OFFSET(bch_stripe, algorithm, 2);
OFFSET(bch_stripe, nr_blocks, 3);
OFFSET(bch_stripe, nr_redundant, 4);
OFFSET(bch_stripe, csum_granularity_bits, 5);
OFFSET(bch_stripe, csum_type, 6);
OFFSET(bch_stripe, disk_label, 7);
OFFSET(bch_stripe, ptrs, 8);

/* ---- docs/format/80-accounting.md, 1: positions and counters ---- */

SIZE(accounting_pos, 20);
OFFSET(accounting_pos, type, 0);
OFFSET(accounting_pos, persistent_reserved.nr_replicas, 1);
OFFSET(accounting_pos, replicas.data_type, 1);
OFFSET(accounting_pos, replicas.nr_devs, 2);
OFFSET(accounting_pos, replicas.nr_required, 3);
OFFSET(accounting_pos, replicas.devs, 4);
OFFSET(accounting_pos, dev_data_type.dev, 1);
OFFSET(accounting_pos, dev_data_type.data_type, 2);
OFFSET(accounting_pos, compression.type, 1);
OFFSET(accounting_pos, snapshot.id, 1);
OFFSET(accounting_pos, btree.id, 1);
OFFSET(accounting_pos, inum.inum, 1);

SIZE(bch_accounting, 24);
OFFSET(bch_accounting, d, 0);

/* ---- numbers ---- */

static_assert(offsetof(struct bch_member, iops[2]) == BCH_MEMBER_V1_BYTES);
static_assert(offsetof(struct bch_sb_field_ext, btrees_lost_data) == BCH_SB_FIELD_EXT_BYTES_MIN);
static_assert(offsetof(struct jset, _read_clock) == JSET_CRYPT_START);
static_assert(offsetof(struct btree_node_disk, flags) == BTREE_NODE_CRYPT_START);
static_assert(offsetof(struct btree_node_disk, keys) ==
	      BTREE_NODE_CRYPT_START + BTREE_NODE_CRYPT_BYTES);
static_assert(sizeof(struct disk_bkey) == BKEY_U64S * sizeof(__le64));
static_assert(sizeof(struct bch_alloc_v4) == ALLOC_V4_U64S * sizeof(__le64));
static_assert(offsetof(struct bch_inode_v3, fields) ==
	      INODE_V3_FIELDS_START_U64S * sizeof(__le64));

static_assert(BTREE_ID_NR == 21);
static_assert(KEY_TYPE_NR == 35);
static_assert(BCH_DATA_NR == 11);
static_assert(BCH_CSUM_NR == 8);
static_assert(BCH_COMPRESSION_TYPE_NR == 6);
static_assert(BCH_SB_FIELD_NR == 15);
static_assert(BCH_FEATURE_NR == 19);
static_assert(BCH_COUNTER_NR == 79);
static_assert(BCH_RECOVERY_PASS_NR == 42);
static_assert(JSET_ENTRY_NR == 13);
static_assert(ACCOUNTING_NR == 9);
static_assert(BCE_ERR_NR == 295);
static_assert(BCE_ERR_backpointer_level_bad == 294);
static_assert(BCH_VERSION_CURRENT == 1037);
