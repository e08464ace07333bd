"""The press: from notebook source to executed twin, and from twins to the site."""
