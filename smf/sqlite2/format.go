package sqlite2

import (
	"encoding/binary"
)

// Page 1 holds this text and a NUL, then nine-and-three numbers, then zeros.
const magic = "** This file contains an SQLite 2.1 database **\x00"

// Offsets in page 1 (btree.c, PageOne).
const (
	orderAt      = 48 // orderMark in the byte order of the file
	freeListAt   = 52 // first page of the free list
	freeCountAt  = 56 // pages in the free list, its own included
	cookieAt     = 60 // meta 1: changes with the schema
	fileFormatAt = 64 // meta 2
	cacheSizeAt  = 68 // meta 3
	safetyAt     = 72 // meta 4
	headerEnd    = 96

	orderMark  = 0xdae37528
	fileFormat = 4
)

// Sizes of pages and of what is in them.
const (
	PageSize     = 1024 // of every file
	pageHeader   = 8    // right child, first cell, first free block
	cellHeader   = 12   // left child, lengths, next cell
	maxLocal     = 236  // payload in a cell; the rest is in overflow pages
	overflowSize = PageSize - 4
	masterRoot   = 2 // root of sqlite_master
	maxPayload   = 1<<24 - 1
	maxFreeList  = (PageSize - 8) / 4
)

// cellSize is the room that a payload takes in a page.
func cellSize(payload int) int {
	if payload > maxLocal {
		return cellHeader + maxLocal + 4
	}
	return cellHeader + (payload+3)&^3
}

// page is a page and the byte order of its numbers.
type page struct {
	b     []byte
	order binary.ByteOrder
}

func (p page) u16(at int) int    { return int(p.order.Uint16(p.b[at:])) }
func (p page) u32(at int) uint32 { return p.order.Uint32(p.b[at:]) }

// cell is an entry of a tree page.
type cell struct {
	at        int // in the page
	left      uint32
	key, data int // lengths
}

func (p page) cell(at int) cell {
	return cell{
		at:   at,
		left: p.u32(at),
		key:  p.u16(at+4) | int(p.b[at+8])<<16,
		data: p.u16(at+10) | int(p.b[at+9])<<16,
	}
}

func (c cell) payload() int { return c.key + c.data }

func (c cell) size() int { return cellSize(c.payload()) }
