"""Applying a transaction to the kernel with the `nft` program: what the proxy uses of `pinnace.component.nftables`."""

from pinnace.component.nftables import Nft, NftError

__all__ = ["Nft", "NftError"]
