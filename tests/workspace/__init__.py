"""Tests of clones, mirrors and stores."""
